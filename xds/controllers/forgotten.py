"""What a control plane that is gone has said of users' objects, taken away: nobody keeps it true any more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kubernetes.client.exceptions import ApiException

from xds.controllers.conditions import prefix_of, stated, types_of
from xds.controllers.policies import Places, Served
from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest
from xds.model.api_path import collection, item


def forget_conditions(api_client: Any, revision: str) -> int:
    """Take the conditions of a revision away from all objects; answers from how many.

    An object that somebody changes meanwhile keeps them. Errors: those of ``Rest``.
    """
    rest = Rest(api_client)
    places = Places(rest)
    types = types_of(prefix_of(revision))
    return sum(_forget(rest, served, each, types) for served, each in places.with_status())


def _forget(rest: Rest, served: Served, found: Json, types: Collection[str]) -> bool:
    metadata, known = found["metadata"], stated(found)
    kept = [each for each in known if each.get("type") not in types]
    if len(kept) == len(known):
        return False
    kind = served.kind
    every = collection(kind.group, served.version, kind.plural, metadata.get("namespace", ""))
    body = {"metadata": {"resourceVersion": metadata["resourceVersion"]}, "status": {"conditions": kept}}
    try:
        rest.merge(f"{item(every, metadata['name'])}/status", body)
    except ApiException as error:
        if error.status not in (ABSENT, CONFLICT):
            raise
        return False
    return True
