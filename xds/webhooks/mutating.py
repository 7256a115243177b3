"""The answer of the injection webhook: a pod with its sidecar, as the patch that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

import structlog

from xds.events import Event
from xds.model.problem import Severity
from xds.webhooks.inject import InjectionSettings, inject, json_patch
from xds.webhooks.review import Answer, Review, denied
from xds.webhooks.validating import message

log = structlog.get_logger()

# The words that Istio's webhooks have in their paths, and the settings that they stand for.
_PAIRS: Final = {"cluster": "cluster_id", "net": "network"}


def mutating(settings: Callable[[], InjectionSettings]) -> Callable[[Review], Answer]:
    """What answers reviews of new pods; all else stays as it is. It is called in threads, and so are ``settings``.

    A pod that asks for its sidecar in a way that is wrong is denied: without, it would be outside the mesh.
    """

    def answer(review: Review) -> Answer:
        request = review.request
        pod = request.object
        new = request.operation == "CREATE" and not request.sub_resource
        if pod is None or not new or (request.kind.group, request.kind.kind) != ("", "Pod"):
            return Answer()
        outcome = inject(pod, request.namespace, _over(settings(), review.pairs))
        errors = [each for each in outcome.problems if each.severity is Severity.ERROR]
        remarks = [str(each) for each in outcome.problems if each.severity is Severity.WARNING]
        if errors:
            log.info(Event.OBJECT_DENIED, object=_name(review), codes=sorted({each.code for each in errors}))
            return denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message(errors), tuple(remarks))
        if outcome.pod is None:
            log.debug(Event.SIDECAR_NOT_INJECTED, pod=_name(review), reason=outcome.reason)
            return Answer(warnings=tuple(remarks))
        unread = [f"/{key}/{value}" for key, value in sorted(review.pairs.items()) if key not in _PAIRS]
        remarks += [f"{pair} in the path of the injection webhook is not read and has no effect" for pair in unread]
        if not request.dry_run:
            log.info(Event.SIDECAR_INJECTED, pod=_name(review), reason=outcome.reason)
        return Answer(patch=json_patch(pod, outcome.pod), warnings=tuple(remarks))

    return answer


def _over(settings: InjectionSettings, pairs: Mapping[str, str]) -> InjectionSettings:
    """The settings with what the webhook's path says over them."""
    stated = {name: pairs[word] for word, name in _PAIRS.items() if word in pairs}
    return replace(settings, **stated) if stated else settings  # type: ignore[arg-type]


def _name(review: Review) -> str:
    """The pod; the beginning of its name where the API server is yet to choose the rest."""
    metadata = (review.request.object or {}).get("metadata")
    stated = metadata if isinstance(metadata, dict) else {}
    name = review.request.name or stated.get("name") or stated.get("generateName") or "?"
    return f"{review.request.namespace}/{name}"
