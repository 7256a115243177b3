"""What stands in two clusters' API servers for one mesh: Secrets that tell of the other, services spread over both."""

from __future__ import annotations

from typing import Any

import yaml

from tests.kube.api_server import ApiServer

ROOT = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "istio-system"}}


def remote_secret(cluster: str, of: ApiServer | dict[str, Any], name: str = "") -> dict[str, Any]:
    """The Secret that ``istioctl create-remote-secret`` makes of a cluster."""
    kubeconfig = of.whole_kubeconfig() if isinstance(of, ApiServer) else of
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name or f"istio-remote-secret-{cluster}",
            "namespace": "istio-system",
            "labels": {"istio/multiCluster": "true"},
        },
        "stringData": {cluster: yaml.safe_dump(kubeconfig)},
    }


def namespace(name: str) -> dict[str, Any]:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def service(name: str, port: int = 80, **more: Any) -> dict[str, Any]:
    """A Service of namespace shop without a selector: its endpoints are what a test writes."""
    ports = [{"name": "http", "port": port}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"ports": ports, **more},
    }


def endpoint_slice(of: str, *addresses: str, port: int = 8080) -> dict[str, Any]:
    """An EndpointSlice of namespace shop."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{of}-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": of}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}} for address in addresses],
    }
