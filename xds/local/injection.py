"""Whether a pod gets a sidecar: the rules of Istio's injector, pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INJECT: Final = "sidecar.istio.io/inject"
NAMESPACE_INJECTION: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
_TRUE: Final = frozenset({"true", "yes", "y", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "off", "0"})


def should_inject(
    namespace_labels: Mapping[str, str],
    pod_labels: Mapping[str, str],
    pod_annotations: Mapping[str, str],
    host_network: bool,
    *,
    namespace: str = "",
) -> bool:
    """Whether a sidecar runs beside the pod; the first rule that says something decides.

    Order: host network and system namespaces never; ``istio-injection: disabled`` on the namespace never; the label
    (then the annotation) ``sidecar.istio.io/inject``; the namespace's ``istio-injection: enabled``; a revision label
    ``istio.io/rev`` on the namespace or on the pod, whatever its value: here is only one revision.
    Source: istio-semantics 2.11.
    """
    if host_network or namespace in SYSTEM_NAMESPACES:
        return False
    by_namespace = namespace_labels.get(NAMESPACE_INJECTION, "")
    if by_namespace == "disabled":
        return False
    for wish in (pod_labels.get(INJECT), pod_annotations.get(INJECT)):
        if wish is not None and wish.lower() in _TRUE | _FALSE:
            return wish.lower() in _TRUE
    if by_namespace:
        return by_namespace == "enabled"
    return bool(namespace_labels.get(REVISION) or pod_labels.get(REVISION))
