"""What cannot be injected, and what can, but will not do what its author wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xds.bootstrap.envoy import ADMIN_PORT, HEALTH_PORT, METRICS_PORT
from xds.bootstrap.probes import PROBE_PORT
from xds.model.injection import PROXY, TEMPLATES
from xds.model.interception import INBOUND_PORT, OUTBOUND_PORT, PROXY_ID
from xds.model.problem import Problems
from xds.model.refs import FieldRef
from xds.webhooks.inject.plain import mapping, mappings, port_number, texts
from xds.webhooks.inject.probes import GRPC_PORTS
from xds.webhooks.inject.proxy_config import ANNOTATION as PROXY_CONFIG
from xds.webhooks.inject.stated import word
from xds.webhooks.inject.subject import Subject

# What no node runs, and what the API server would refuse once we have answered.
_MOST_CONTAINERS: Final = 500
_MOST_ANNOTATIONS: Final = 256 * 1024
_KNOWN_TEMPLATES: Final = frozenset({"sidecar", "gateway"})
_TAKEN: Final = frozenset({ADMIN_PORT, OUTBOUND_PORT, INBOUND_PORT, PROBE_PORT, HEALTH_PORT, METRICS_PORT, *GRPC_PORTS})


def templates(labels: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[str, ...]:
    """What the pod asks to be made: ``sidecar`` unless it says otherwise."""
    words = annotations.get(TEMPLATES, labels.get(TEMPLATES, "")).split(",")
    return tuple(word.strip() for word in words if word.strip()) or ("sidecar",)


def too_large(pod: Mapping[str, Any], at: FieldRef, found: Problems) -> bool:
    """Whether a pod could only keep others waiting: it is not looked at any further. Problems: pod.too-large."""
    spec = mapping(pod.get("spec"))
    for kind in ("containers", "initContainers"):
        every = spec.get(kind)
        if isinstance(every, list) and len(every) > _MOST_CONTAINERS:
            found.add(at / "spec" / kind, "pod.too-large", f"must be at most {_MOST_CONTAINERS}, are {len(every)}")
    annotations = texts(mapping(pod.get("metadata")).get("annotations"))
    size = sum(len(key) + len(value) for key, value in annotations.items())
    if size > _MOST_ANNOTATIONS:
        message = f"must have at most {_MOST_ANNOTATIONS} characters together, have {size}"
        found.add(at / "metadata.annotations", "pod.too-large", message)
    return bool(found.errors)


def look_at(subject: Subject) -> None:
    """Note what is wrong with the pod as one to be injected.

    Problems: pod.shape, pod.no-application, template.unknown, gateway.no-proxy; as warnings container.proxy-user,
    container.taken-port, job.never-ends, hold.no-shell.
    """
    if not mappings(subject.spec.get("containers")):
        subject.found.add(
            subject.at / "spec.containers", "pod.shape", "must be a list of containers, with at least one"
        )
        return
    asked = templates(subject.labels, subject.annotations)
    for name in asked:
        if name not in _KNOWN_TEMPLATES:
            known = " and ".join(sorted(_KNOWN_TEMPLATES))
            subject.found.add(
                subject.annotation(TEMPLATES), "template.unknown", f"{name!r} is no template: {known} are"
            )
    if subject.gateway and len(asked) > 1:
        subject.found.add(
            subject.annotation(TEMPLATES), "template.unknown", "a gateway has no sidecar: name one of them"
        )
    own = [each for each in mappings(subject.spec.get("containers")) if each.get("name") == PROXY]
    if subject.gateway and not own:
        message = f"must have a container {PROXY} with image auto, which becomes the gateway"
        subject.found.add(subject.at / "spec.containers", "gateway.no-proxy", message)
    if not subject.gateway and not subject.containers:
        message = f"must have a container beside {PROXY}; for a gateway say {TEMPLATES}: gateway"
        subject.found.add(subject.at / "spec.containers", "pod.no-application", message)
    _look_at_containers(subject)
    holds = subject.proxy_config.hold_application_until_proxy_starts and not subject.native and not subject.gateway
    if holds and "distroless" in word(subject, "proxyImage", subject.settings.proxy_image):
        message = "cannot hold the application: the proxy's image has no shell to wait in; use native sidecars"
        subject.warn(subject.annotation(PROXY_CONFIG), "hold.no-shell", message)
    once = subject.spec.get("restartPolicy") in ("Never", "OnFailure")
    if once and not subject.native and not subject.gateway:
        message = (
            "never ends: its proxy does not. Use native sidecars (annotation sidecar.istio.io/nativeSidecar: true)"
        )
        subject.warn(subject.at / "spec.restartPolicy", "job.never-ends", message)


def _look_at_containers(subject: Subject) -> None:
    of_pod = mapping(subject.spec.get("securityContext"))
    for each in (*subject.init_containers, *subject.containers):
        at = subject.where(each)
        context = {**of_pod, **mapping(each.get("securityContext"))}
        if PROXY_ID in (context.get("runAsUser"), context.get("runAsGroup")):
            message = f"runs as {PROXY_ID}, the proxy's user: its traffic goes past the mesh; choose another"
            subject.warn(at / "securityContext", "container.proxy-user", message)
        for index, port in enumerate(mappings(each.get("ports"))):
            number = port_number(port.get("containerPort"))
            if number in _TAKEN and not subject.gateway:
                message = f"{number} is the proxy's own; the application cannot have it"
                subject.warn(at / "ports" / index / "containerPort", "container.taken-port", message)
