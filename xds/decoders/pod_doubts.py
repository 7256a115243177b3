"""What is wrong with a pod's template as far as its sidecar is concerned."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from xds.decoders.odd_annotations import odd
from xds.kinds.pod import Container
from xds.kinds.pod import Pod as PodStruct
from xds.model.injection import PROXY
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef

_PROXY_UID: Final = 1337
_OF_THE_MESH: Final = frozenset({PROXY, "istio-init", "istio-validation"})
_AUTO: Final = "auto"


def doubts(struct: PodStruct, ref: ObjectRef) -> Iterator[Problem]:
    """The findings; fields are named as in the pod, messages can stand for all pods of one maker."""
    yield from odd(ref, struct.metadata.annotations)
    of_pod = _user(struct.spec.security_context)
    for field, containers in (("initContainers", struct.spec.init_containers), ("containers", struct.spec.containers)):
        for index, each in enumerate(containers):
            at = FieldRef(ref, ("spec", field, index))
            if each.name not in _OF_THE_MESH:
                yield from _as_proxy(each, of_pod, at)
            if each.image == _AUTO:
                message = "is for the injector to fill in, and no sidecar was injected: the image cannot be pulled"
                yield Problem(at / "image", "injection.image-auto", message)


def _as_proxy(container: Container, of_pod: int | None, at: FieldRef) -> Iterator[Problem]:
    own = _user(container.security_context)
    if (of_pod if own is None else own) == _PROXY_UID:
        message = f"must be another user than {_PROXY_UID}, which is the sidecar's: what it sends is not captured"
        yield Problem(at / "securityContext.runAsUser", "injection.user-of-proxy", message, Severity.WARNING)


def _user(context: Any) -> int | None:
    user = context.get("runAsUser") if isinstance(context, dict) else None
    return user if isinstance(user, int) else None
