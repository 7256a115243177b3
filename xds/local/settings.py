"""Settings of the local mesh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from xds.local.addresses import POD_NETWORK, SERVICE_NETWORK, SERVICE_NETWORK_V6


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How a local mesh is run.

    ``name`` tells meshes of one machine apart; ``folder`` is where containers start and their relative paths begin;
    ``service_network`` is where ClusterIPs are from; ``pod_network_v6`` is the pods' second network, of the other
    family, and ``service_network_v6`` where ClusterIPs of that family are from; empty: one family only;
    ``egress`` False cuts pods off from everything outside the mesh;
    ``loopback`` runs pods without namespaces (see ``loopback``), for who is not root;
    ``app_uid`` is who containers run as (any but 0 and 1337); ``envoy`` None takes the installed package's;
    ``workload_socket`` is that of a SPIFFE workload API (SPIRE's agent) which sidecars have their certificates from;
    None: from the control plane;
    ``ca_dir`` is where the mesh's CA is kept; None makes one that is gone with the mesh; ``certificate_lifetime`` is
    how long what it signs for sidecars is valid;
    ``jwks_refresh`` is how often token issuers' keys are fetched where their server does not say;
    ``on_demand_expiry`` is after what time of no use a sidecar on demand loses a host;
    ``otlp`` is who is sent traces of changes, as in the control plane's settings;
    ``proxy_ready`` bounds how long a container waits for its Envoy before it is reported (it goes on waiting).
    """

    name: str = "default"
    folder: Path = Path("/")
    pod_network: str = POD_NETWORK
    pod_network_v6: str = ""
    service_network: str = SERVICE_NETWORK
    service_network_v6: str = SERVICE_NETWORK_V6
    egress: bool = True
    loopback: bool = False
    app_uid: int = 1000
    envoy: Path | None = None
    envoy_concurrency: int = 1
    envoy_log_level: str = "warning"
    envoy_flags: tuple[str, ...] = (
        # As in a cluster: a connection that drains ends with its next answer, and not when it is cut.
        *("--drain-time-s", "5", "--drain-strategy", "immediate"),
        *("--component-log-level", "misc:error"),
    )
    workload_socket: Path | None = None
    ca_dir: Path | None = None
    certificate_lifetime: timedelta = timedelta(hours=24)
    jwks_refresh: timedelta = timedelta(minutes=20)
    on_demand_expiry: timedelta = timedelta(hours=1)
    proxy_ready: timedelta = timedelta(seconds=30)
    otlp: str = ""

    @property
    def networks(self) -> tuple[tuple[str, str], ...]:
        """The pods' network and that of ClusterIPs, for each address family."""
        second = ((self.pod_network_v6, self.service_network_v6),) if self.pod_network_v6 else ()
        return ((self.pod_network, self.service_network), *second)
