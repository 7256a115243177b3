"""One connected Envoy: what it says it is, in the words in which istio's proxies say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xds.model.endpoint import NOWHERE, Locality
from xds.model.identity import Identity
from xds.model.labels import NO_LABELS, Labels, labels

_LAST_PORT = 65535
SIDECAR = "sidecar"  # the kind of proxies beside workloads
AUTO_REGISTER_GROUP = "AUTO_REGISTER_GROUP"  # node metadata, istio's: the WorkloadGroup of a machine
WORKLOAD_SDS = "WORKLOAD_SDS"  # node metadata: "socket" where the bootstrap has a SPIFFE workload API


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy by its node id; ``kind`` is ``sidecar`` or ``router``, and ``vhds`` whether it speaks delta xDS.

    Source: istio-semantics 2.12: ``sidecar~IP~POD.NS~NS.svc.DOMAIN`` and the node metadata NAMESPACE, LABELS,
    SERVICE_ACCOUNT, CLUSTER_ID, INSTANCE_IPS. A node that says nothing of it is a sidecar of namespace ``default``.
    """

    id: str
    kind: str = "sidecar"
    namespace: str = "default"
    name: str = ""
    labels: Labels = NO_LABELS
    addresses: tuple[str, ...] = ()
    service_account: str = "default"
    locality: Locality = NOWHERE
    vhds: bool = True
    version: str = ""
    identity: Identity = Identity.NONE
    group: str = ""  # the WorkloadGroup that it joins by itself: its labels are then that one's
    network: str = ""  # that it is in, as its node says
    http_proxy_port: int = 0  # where nothing is intercepted, and applications are told of a proxy on this port

    @property
    def label(self) -> str:
        """``shop/web-1``: for people."""
        return f"{self.namespace}/{self.name or self.id}"

    @classmethod
    def of(
        cls,
        node_id: str,
        metadata: Mapping[str, Any],
        *,
        locality: Locality,
        vhds: bool,
        version: str,
        proven: bool = False,
    ) -> Proxy:
        """The proxy that a node describes; metadata wins over what its id says.

        ``proven`` is whether the connection has proven who it is.
        """
        kind, address, name, namespace = "sidecar", "", node_id, "default"
        parts = node_id.split("~")
        if len(parts) == 4:
            kind, address = parts[0], parts[1]
            name, _, own = parts[2].rpartition(".")
            namespace = own or namespace
        claimed = metadata.get("LABELS")
        own_labels = {str(k): str(v) for k, v in claimed.items()} if isinstance(claimed, Mapping) else {}
        addresses = _addresses(metadata.get("INSTANCE_IPS"), address)
        return cls(
            id=node_id,
            kind=kind,
            namespace=_text(metadata, "NAMESPACE", namespace),
            name=_text(metadata, "NAME", name),
            labels=labels(own_labels),
            addresses=addresses,
            service_account=_text(metadata, "SERVICE_ACCOUNT", "default"),
            locality=locality,
            vhds=vhds,
            version=version,
            identity=_identity(metadata, proven=proven),
            group=_text(metadata, AUTO_REGISTER_GROUP, ""),
            network=_text(metadata, "NETWORK", ""),
            http_proxy_port=_explicit(metadata),
        )


def _text(metadata: Mapping[str, Any], key: str, default: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) and value else default


def _identity(metadata: Mapping[str, Any], *, proven: bool) -> Identity:
    if _text(metadata, WORKLOAD_SDS, "") == "socket":
        return Identity.SOCKET
    return Identity.ADS if proven else Identity.NONE


def _explicit(metadata: Mapping[str, Any]) -> int:
    port = _text(metadata, "HTTP_PROXY_PORT", "")
    known = metadata.get("INTERCEPTION_MODE") == "NONE" and port.isascii() and port.isdecimal() and len(port) <= 5
    return int(port) if known and int(port) <= _LAST_PORT else 0


def _addresses(claimed: object, fallback: str) -> tuple[str, ...]:
    if isinstance(claimed, str) and claimed:
        return tuple(part.strip() for part in claimed.split(",") if part.strip())
    if isinstance(claimed, list | tuple):
        return tuple(str(part) for part in claimed)
    return (fallback,) if fallback else ()
