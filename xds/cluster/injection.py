"""What pods are injected with, as the control plane's settings and the mesh's say at this moment."""

from __future__ import annotations

from xds.cluster.nodes import every_node_has_ipv6, native_sidecars
from xds.decoders.shape.manifests import MESH_CONFIG
from xds.kinds.proxy_config import ProxyConfig
from xds.model.families import version_of
from xds.model.mesh import settings_of
from xds.model.revision import service_host
from xds.model.snapshot import Snapshot, Table
from xds.model.well_known import XDS_PORT
from xds.settings import Settings
from xds.sources.store import ObjectStore
from xds.webhooks.inject import InjectionSettings


def injection_settings(settings: Settings, snapshot: Snapshot, store: ObjectStore) -> InjectionSettings:
    """The settings for one pod."""
    mesh = settings_of(snapshot)
    host = service_host(settings.namespace, settings.revision)
    return InjectionSettings(
        proxy_image=settings.proxy_image,
        init_image=settings.init_image,
        node_agent_image=settings.node_agent_image,
        xds_address=settings.injected_xds or f"{host}:{XDS_PORT}",
        xds_server_name=host,
        revision=settings.revision,
        cluster_id=settings.cluster_id,
        domain=mesh.domain,
        network=settings.network,
        native_sidecars=native_sidecars(snapshot),
        cni=settings.cni,
        ipv6=every_node_has_ipv6(snapshot),
        ipv6_first=_ipv6_first(snapshot, mesh.domain),
        proxy_config=_proxy_config(store),
    )


def _ipv6_first(snapshot: Snapshot, domain: str) -> bool:
    """Whether IPv6 is the cluster's first family: that of the API server's Service."""
    known = snapshot.rows(Table.HOST, f"kubernetes.default.svc.{domain}")
    # A ServiceEntry may claim its name, which is nobody's word about pods.
    return any(version_of(each.addresses[0]) == 6 for each in known if each.kubernetes and each.addresses)


def namespaces(snapshot: Snapshot) -> list[str]:
    """The names of the cluster's namespaces."""
    return sorted(str(key) for key in snapshot.keys(Table.NAMESPACE))


def _proxy_config(store: ObjectStore) -> ProxyConfig:
    found = store.get(MESH_CONFIG)
    stated = found.struct.spec.default_config if found is not None else None
    return stated if isinstance(stated, ProxyConfig) else ProxyConfig()
