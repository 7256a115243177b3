"""One of several control planes of a revision, and whose are the objects that it writes for the others."""

from __future__ import annotations

from dataclasses import dataclass

from kubernetes.client.exceptions import ApiException

from xds.controllers.rest import ABSENT, Json, Rest
from xds.model.api_path import collection, item
from xds.model.revision import DEFAULT_REVISION


@dataclass(frozen=True, slots=True)
class Replica:
    """One of the control planes of a revision: its pod, and the namespace that it is in."""

    namespace: str
    pod: str
    revision: str = DEFAULT_REVISION


def owners(rest: Rest, replica: Replica) -> list[Json]:
    """The ``ownerReferences`` of what a replica writes: its pod, with which that goes; none outside of the cluster."""
    try:
        pod = rest.get(item(collection("", "v1", "pods", replica.namespace), replica.pod))
    except ApiException as error:
        if error.status != ABSENT:
            raise
        return []
    return [{"apiVersion": "v1", "kind": "Pod", "name": replica.pod, "uid": pod["metadata"]["uid"]}]
