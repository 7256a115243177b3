"""Small meshes for tests of who speaks mutual TLS to whom."""

from __future__ import annotations

from typing import Any

import yaml

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.clusters import ClusterSpec, EndpointGroup
from xds.view.specs.resources import FilterSpec, Spec

CALLER = Proxy("caller", namespace="far", labels=labels({"app": "caller"}), identity=Identity.ADS)
PORTS = [
    {"name": "http", "port": 80, "targetPort": 8080},
    {"name": "grpc", "port": 90},
    {"name": "tcp", "port": 70},
    {"name": "what", "port": 60},
]
TARGETS = {"http": 8080, "grpc": 90, "tcp": 70, "what": 60}
MARK = {"security.istio.io/tlsMode": "istio"}
WEB = "web.shop.svc.cluster.local"


def text(*objects: dict[str, Any]) -> str:
    """Manifests as YAML."""
    return "---\n".join(yaml.safe_dump(each) for each in objects)


def service(**spec: Any) -> dict[str, Any]:
    """The Service web of namespace shop, with a port of each kind."""
    full = {"clusterIP": "10.96.0.1", "selector": {"app": "web"}, "ports": PORTS, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": full}


def behind(*addresses: str) -> dict[str, Any]:
    """Its endpoints."""
    own = {"kubernetes.io/service-name": "web"}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": own},
        "addressType": "IPv4",
        "ports": [{"name": name, "port": number} for name, number in TARGETS.items()],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def pod(
    address: str, *, mark: bool = True, account: str = "web", annotations: dict[str, str] | None = None, **more: str
) -> dict[str, Any]:
    """A pod behind it; ``more`` are labels."""
    metadata = {"name": f"web-{address}", "namespace": "shop", "annotations": annotations or {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "labels": {"app": "web", **(MARK if mark else {}), **more}},
        "spec": {"serviceAccountName": account, "containers": [{"name": "c"}]},
        "status": {"podIP": address, "phase": "Running"},
    }


def peer_authentication(
    mode: str, ports: dict[int, str] | None = None, *, name: str = "p", namespace: str = "shop", **more: Any
) -> dict[str, Any]:
    """A PeerAuthentication; ``app`` is the label it selects, ``created`` when it was made."""
    spec: dict[str, Any] = {"mtls": {"mode": mode}} if mode else {}
    if "app" in more:
        spec["selector"] = {"matchLabels": {"app": more["app"]}}
        spec["portLevelMtls"] = {str(port): {"mode": each} for port, each in (ports or {}).items()}
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": more.get("created", "2026-01-01T00:00:00Z")}
    kind = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication"}
    return {**kind, "metadata": metadata, "spec": spec}


def istio(kind: str, spec: dict[str, Any], namespace: str = "shop", name: str = "one") -> dict[str, Any]:
    """An object of Istio's networking kinds."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def mesh_config(**spec: Any) -> dict[str, Any]:
    """The mesh's settings."""
    metadata = {"name": "istio", "namespace": "istio-system"}
    return {"apiVersion": "mesh.istio.io/v1alpha1", "kind": "MeshConfig", "metadata": metadata, "spec": spec}


class Seen:
    """What one proxy is sent in such a mesh, as specs."""

    def __init__(self, *objects: dict[str, Any], proxy: Proxy = CALLER) -> None:
        graph = Graph(applied(Builder(), written(text(*objects))).snapshot)
        roots = graph.get(call(proxy_view, proxy))
        leaves = [leaf for root in roots for group in graph.get(root) for leaf in graph.get(group)]
        self.specs: list[Spec] = [spec for leaf in leaves for spec in graph.get(leaf)]

    def cluster(self, port: int = 80, subset: str = "", host: str = WEB) -> ClusterSpec:
        """The cluster of a port and subset."""
        wanted = f"outbound|{port}|{subset}|{host}"
        return next(spec for spec in self.specs if isinstance(spec, ClusterSpec) and spec.name == wanted)

    def takes_tls(self, port: int = 80, host: str = WEB) -> dict[str, bool]:
        """By address, whether an endpoint is spoken to by mutual TLS."""
        cluster = self.cluster(port, host=host)
        groups = cluster.endpoints
        for spec in self.specs:
            if isinstance(spec, EndpointGroup) and spec.name == cluster.name:
                groups = spec.localities
        offered = cluster.mesh_tls is not None
        return {each.address: offered and each.tls for group in groups for each in group.endpoints}

    def filters(self) -> dict[str, FilterSpec]:
        """What stands in the slots of its chains, by name."""
        return {spec.name: spec for spec in self.specs if isinstance(spec, FilterSpec)}
