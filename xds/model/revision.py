"""Names of what stands once for each control plane of a cluster: each is a revision, as Istio has it."""

from __future__ import annotations

from typing import Final

DEFAULT_REVISION: Final = "default"
"""The revision of the namespaces with ``istio-injection=enabled``."""

ISTIOD: Final = "istiod"
"""The Service of a control plane, which bootstraps in use name."""


def of_revision(name: str, revision: str) -> str:
    """``name`` for a revision: ``istiod``, but ``istiod-canary`` for ``canary``."""
    return name if revision == DEFAULT_REVISION else f"{name}-{revision}"


def service_host(namespace: str, revision: str) -> str:
    """The host name by which pods know the control plane: ``istiod.istio-system.svc``."""
    return f"{of_revision(ISTIOD, revision)}.{namespace}.svc"
