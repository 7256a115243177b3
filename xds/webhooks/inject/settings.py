"""What an operator decides about sidecars, for all pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from xds import __version__
from xds.kinds.proxy_config import ProxyConfig
from xds.model.revision import DEFAULT_REVISION

Resources = Mapping[str, Mapping[str, str]]

DEFAULT_RESOURCES: Final[Resources] = MappingProxyType(
    {
        "requests": MappingProxyType({"cpu": "50m", "memory": "64Mi"}),
        "limits": MappingProxyType({"cpu": "2", "memory": "1Gi"}),
    }
)


@dataclass(frozen=True, slots=True)
class InjectionSettings:
    """What all sidecars of a control plane have in common; each pod's annotations stand over it.

    ``proxy_image`` is stock Envoy. ``init_image`` has sh, iptables-restore, ip6tables-restore and ip;
    ``node_agent_image`` has Plait. ``xds_address`` is host:port of the control plane's TLS port, ``xds_server_name`` a
    DNS name of its certificate (empty: that host).
    ``native_sidecars``: every node that pods may run on has them (Kubernetes 1.29). ``cni``: an agent on each node sets
    the rules of interception. ``ipv6``: every node has IPv6, so that pods may have such addresses, alone or beside
    others; ``ipv6_first``: a pod's first address is one.
    ``proxy_config`` is MeshConfig's ``defaultConfig``.
    """

    proxy_image: str = "envoyproxy/envoy:v1.40.0"
    init_image: str = f"plait/init:{__version__}"
    node_agent_image: str = f"plait/node-agent:{__version__}"
    xds_address: str = "istiod.istio-system.svc:15012"
    xds_server_name: str = ""
    revision: str = DEFAULT_REVISION
    cluster_id: str = "Kubernetes"
    domain: str = "cluster.local"
    network: str = ""
    native_sidecars: bool = False
    cni: bool = False
    ipv6: bool = False
    ipv6_first: bool = False
    resources: Resources = field(default_factory=lambda: DEFAULT_RESOURCES, hash=False)
    log_level: str = "warning"
    component_log_level: str = "misc:error"
    proxy_config: ProxyConfig = field(default_factory=ProxyConfig, hash=False)

    @property
    def server_name(self) -> str:
        """The name that the control plane must prove."""
        return self.xds_server_name or self.xds_address.rpartition(":")[0].strip("[]")
