"""Small meshes of the Gateway API, from plain objects."""

from __future__ import annotations

from typing import Any

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.gateway import API_GROUP
from xds.model.refs import ObjectRef
from xds.view.graph import Graph

Plain = dict[str, Any]
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
GATEWAY = ObjectRef(API_GROUP, "Gateway", "infra", "edge")


def api(kind: str, name: str, namespace: str = "infra", *, created: str = "", **spec: Any) -> Plain:
    """An object of the Gateway API."""
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    stamp = {"creationTimestamp": created} if created else {}
    return {"apiVersion": f"{API_GROUP}/v1", "kind": kind, "metadata": metadata | stamp, "spec": spec}


def core(kind: str, name: str, namespace: str = "infra", **more: Any) -> Plain:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata | more.pop("metadata", {}), **more}


def service(name: str, namespace: str = "infra", port: int = 80, address: str = "10.96.0.9") -> Plain:
    return core("Service", name, namespace, spec={"clusterIP": address, "ports": [{"name": "http", "port": port}]})


def gateway(*listeners: Plain, name: str = "edge", gateway_class: str = "plait", **spec: Any) -> Plain:
    return api("Gateway", name, gatewayClassName=gateway_class, listeners=list(listeners), **spec)


def listener(name: str = "http", protocol: str = "HTTP", port: int = 80, **more: Any) -> Plain:
    return {"name": name, "protocol": protocol, "port": port, **more}


def route(name: str = "r", namespace: str = "infra", kind: str = "HTTPRoute", **more: Any) -> Plain:
    """A route to the Service ``web`` for the Gateway ``edge``, unless it says otherwise."""
    rules = more.pop("rules", [{"backendRefs": [{"name": "web", "port": 80}]}])
    parents = more.pop("parentRefs", [{"name": "edge", "namespace": "infra"}])
    return api(kind, name, namespace, rules=rules, parentRefs=parents, **more)


def secret(name: str, namespace: str = "infra", **data: str) -> Plain:
    pair = {"tls.crt": CERTIFICATE, "tls.key": "-----BEGIN PRIVATE KEY-----\nx\n"}
    return core("Secret", name, namespace, stringData=data or pair)


CLASSES = (
    api("GatewayClass", "plait", "", controllerName="plait.dev/gateway-controller"),
    api("GatewayClass", "istio", "", controllerName="istio.io/gateway-controller"),
    api("GatewayClass", "other", "", controllerName="example.org/controller"),
)


def graph(*plain: Plain) -> Graph:
    """The graph of a mesh with those objects and some classes."""
    return Graph(applied(Builder(), [made(each) for each in (*CLASSES, *plain)]).snapshot)
