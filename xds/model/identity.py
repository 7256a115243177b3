"""Identities: SPIFFE ids as the mesh makes them, the trust domains that count as one, and how a proxy has its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

SCHEME = "spiffe://"
TOKEN_AUDIENCE: Final = "istio-ca"  # of the service-account tokens by which proxies prove themselves
AUDIENCE: Final = "istio-ca"
"""For whom a proxy's service-account token is: the control plane, as bootstraps of istio say too."""


class Identity(Enum):
    """How a proxy comes by the certificate that it shows to others."""

    NONE = "none"  # nothing was proven of it: it is given no certificate and speaks plaintext
    ADS = "ads"  # proven: its certificate comes with its configuration
    SOCKET = "socket"  # from a SPIFFE workload API beside it (SPIRE's agent), by the bootstrap's cluster


def account_path(namespace: str, service_account: str) -> str:
    """What follows the trust domain in the id of a service account: ``ns/shop/sa/web``."""
    return f"ns/{namespace}/sa/{service_account}"


@dataclass(frozen=True, slots=True)
class TrustDomains:
    """The mesh's own trust domain, others that count as it (``trustDomainAliases``), and those of other meshes.

    ``federated`` ones are believed to be who they are, by authorities of their own; they are never taken for ours.
    """

    own: str = "cluster.local"
    aliases: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Own first, then the aliases; each once."""
        return tuple(dict.fromkeys((self.own, *self.aliases)))

    @property
    def believed(self) -> tuple[str, ...]:
        """Those whose callers are let in at all: the mesh's, then the federated ones."""
        return tuple(dict.fromkeys((*self.all, *self.federated)))

    def spiffe_id(self, namespace: str, service_account: str) -> str:
        """The id of a service account: ``spiffe://cluster.local/ns/shop/sa/web``."""
        return f"{SCHEME}{self.own}/{account_path(namespace, service_account)}"

    def spiffe_ids(self, path: str) -> tuple[str, ...]:
        """The ids of a path (``ns/shop/sa/web``) in every trust domain that counts as the mesh's."""
        return tuple(f"{SCHEME}{domain}/{path}" for domain in self.all)


CLUSTER_LOCAL: Final = TrustDomains()
"""What holds while MeshConfig names no trust domain."""
