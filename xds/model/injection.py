"""Whether a pod gets a sidecar: the rules of Istio's injector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

INJECT: Final = "sidecar.istio.io/inject"
STATUS: Final = "sidecar.istio.io/status"  # of a pod that has its sidecar already
NAMESPACE_INJECTION: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
SYSTEM_NAMESPACES: Final = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
"""Their pods have to start when no control plane runs."""

TEMPLATES: Final = "inject.istio.io/templates"  # what a pod is made: a sidecar beside it, or a gateway

PROXY: Final = "istio-proxy"
"""The container that a sidecar runs in."""

_TRUE: Final = frozenset({"true", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "off", "0"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is asked about a pod; ``namespace_labels`` None: somebody else has looked at them, and chose this pod."""

    namespace: str = ""
    namespace_labels: Mapping[str, str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a pod gets a sidecar, and the rule that decided, for people."""

    inject: bool
    reason: str


def decide(pod: Candidate) -> Decision:
    """Whether the pod gets a sidecar, of whatever control plane is asked for.

    The first rule that says something decides: it has one; host network and system namespaces never; nor where the
    namespace's ``istio-injection`` is disabled; the label (then the annotation) ``sidecar.istio.io/inject`` no; that
    label yes; ``istio-injection: enabled``; a revision on namespace or pod.
    Source: istio-semantics 2.11.
    """
    if never := _never(pod):
        return Decision(False, never)
    wish = _wish(pod)
    if wish is False:
        return Decision(False, f"{INJECT} says no")
    if wish:
        return Decision(True, f"{INJECT} says yes")
    if pod.namespace_labels is None:
        return Decision(True, "the webhook's selectors chose it")
    by_namespace = pod.namespace_labels.get(NAMESPACE_INJECTION, "")
    if by_namespace:
        return Decision(by_namespace == "enabled", f"{NAMESPACE_INJECTION} of its namespace is {by_namespace!r}")
    revision = pod.namespace_labels.get(REVISION) or pod.labels.get(REVISION)
    if revision:
        return Decision(True, f"{REVISION} is {revision}")
    return Decision(False, "neither its namespace nor the pod asks for one")


def is_gateway(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Whether a pod asks to be a gateway: a proxy for others, instead of one with a sidecar."""
    words = annotations.get(TEMPLATES, labels.get(TEMPLATES, "")).split(",")
    return "gateway" in (word.strip() for word in words)


def _never(pod: Candidate) -> str:
    if STATUS in pod.annotations:
        return "it has its sidecar already"
    if pod.host_network:
        return "it is on its node's network, whose traffic must not be redirected"
    if pod.namespace in SYSTEM_NAMESPACES:
        return f"pods of {pod.namespace} never get one"
    if (pod.namespace_labels or {}).get(NAMESPACE_INJECTION) == "disabled":
        return f"{NAMESPACE_INJECTION} of its namespace is 'disabled'"
    return ""


def _wish(pod: Candidate) -> bool | None:
    for text in (pod.labels.get(INJECT), pod.annotations.get(INJECT)):
        if text is not None and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
    return None
