"""Manifests of the Gateway API for the tests with real Envoys."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
VERSION = "gateway.networking.k8s.io/v1"


def made(kind: str, name: str, namespace: str = "shop", **spec: Any) -> Manifest:
    """An object of the Gateway API."""
    return {"apiVersion": VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def service_parent(name: str, **more: Any) -> Manifest:
    """A parentRef to a Service."""
    return {"group": "", "kind": "Service", "name": name, **more}


def backend(name: str, weight: int = 1, port: int = 80, **more: Any) -> Manifest:
    """A backendRef to a Service."""
    return {"name": name, "port": port, "weight": weight, **more}


def mesh_route(service: str, *rules: Manifest, name: str = "", namespace: str = "shop", **parent: Any) -> Manifest:
    """An HTTPRoute for requests to a Service."""
    parents = [service_parent(service, **parent)]
    return made("HTTPRoute", name or service, namespace, parentRefs=parents, rules=list(rules))


def set_header(value: str, direction: str = "response") -> Manifest:
    """A filter that sets ``x-route``."""
    modifier = {"set": [{"name": "X-Route", "value": value}]}
    return {"type": f"{direction.title()}HeaderModifier", f"{direction}HeaderModifier": modifier}


def gateway_class(name: str = "plait", controller: str = "plait.dev/gateway-controller") -> Manifest:
    """A GatewayClass of ours."""
    spec = {"controllerName": controller}
    return {"apiVersion": VERSION, "kind": "GatewayClass", "metadata": {"name": name}, "spec": spec}


def listener(port: int, name: str = "http", protocol: str = "HTTP", **more: Any) -> Manifest:
    """A listener of a Gateway."""
    return {"name": name, "port": port, "protocol": protocol, **more}
