"""Manifests for the traffic tests, as text: small pods of ``plait echo``, Services, rules."""

from __future__ import annotations

import json
from typing import Any

Manifest = dict[str, Any]

# Sidecars keep few statistics; tests look at others, too.
ALL_STATS = {"sidecar.istio.io/statsInclusionRegexps": ".*"}
HTTP = {"name": "http", "port": 80, "targetPort": 8080}
# The public key of RFC 7517, appendix A.1.
PUBLIC_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "a",
    "alg": "ES256",
}


def documents(*manifests: Manifest) -> str:
    """YAML with one document a manifest."""
    return "\n---\n".join(json.dumps(manifest, indent=1) for manifest in manifests)


def namespace(name: str, *, inject: bool = True) -> Manifest:
    labels = {"istio-injection": "enabled" if inject else "disabled"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def pod(
    name: str, *, namespace: str = "shop", labels: dict[str, str] | None = None, ports: str = "http:8080", **more: Any
) -> Manifest:
    """A pod labelled ``app: NAME`` up to the first hyphen and ``version:`` what follows it.

    ``ports`` are ``name:number``, with spaces between; ``more`` goes into the metadata, ``command`` to the container,
    ``account`` is the service account.
    """
    app, _, version = name.partition("-")
    container: Manifest = {
        "name": "app",
        "image": "plait/echo",
        "ports": [
            {"name": word.partition(":")[0], "containerPort": int(word.partition(":")[2])} for word in ports.split()
        ],
    }
    if "command" in more:
        container["command"] = more.pop("command")
    spec: Manifest = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    if "account" in more:
        spec["serviceAccountName"] = more.pop("account")
    more["annotations"] = {**ALL_STATS, **more.get("annotations", {})}
    metadata = {"name": name, "namespace": namespace, "labels": {"app": app, "version": version, **(labels or {})}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, **more}, "spec": spec}


def service(name: str, *ports: Manifest, namespace: str = "shop", **spec: Any) -> Manifest:
    """A Service on the pods labelled ``app: NAME``, with port 80 for HTTP unless told otherwise."""
    wanted = {"selector": {"app": name}, "ports": list(ports) or [HTTP], **spec}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": wanted}


def security(kind: str, name: str, namespace: str = "shop", **spec: Any) -> Manifest:
    """A policy of Istio's security API."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _istio(kind: str, name: str, namespace: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def virtual_service(host: str, *http: Manifest, name: str = "", namespace: str = "shop", **spec: Any) -> Manifest:
    wanted = {"hosts": [host], **({"http": list(http)} if http else {}), **spec}
    return _istio("VirtualService", name or host, namespace, wanted)


def destination_rule(host: str, *, namespace: str = "shop", name: str = "", **spec: Any) -> Manifest:
    return _istio("DestinationRule", name or host, namespace, {"host": host, **spec})


def service_entry(name: str, *, namespace: str = "shop", **spec: Any) -> Manifest:
    return _istio("ServiceEntry", name, namespace, spec)


def mesh_config(**settings: Any) -> Manifest:
    metadata = {"name": "istio", "namespace": "istio-system"}
    data = {"mesh": json.dumps(settings)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def subsets(*versions: str) -> list[Manifest]:
    return [{"name": version, "labels": {"version": version}} for version in versions]


def to(host: str, subset: str = "", weight: int | None = None, **more: Any) -> Manifest:
    """A destination of an HTTP or TCP route."""
    destination = {"host": host, **({"subset": subset} if subset else {})}
    return {"destination": destination, **({"weight": weight} if weight is not None else {}), **more}


def router(name: str = "edge", namespace: str = "ingress", *ports: Manifest, **more: Any) -> list[Manifest]:
    """The pod of a gateway, labelled ``istio: NAME``, and its Service; HTTP on 80 and TLS on 443 unless told otherwise.

    ``more`` goes into the pod's metadata; ``account`` is the service account, ``type`` that of the Service.
    """
    kind = more.pop("type", "ClusterIP")
    spec: Manifest = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "istio-proxy", "image": "auto"}]}
    if "account" in more:
        spec["serviceAccountName"] = more.pop("account")
    annotations = {"inject.istio.io/templates": "gateway", **ALL_STATS, **more.pop("annotations", {})}
    labels = {"istio": name, "sidecar.istio.io/inject": "true", **more.pop("labels", {})}
    metadata = {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations, **more}
    usual = ({"name": "http", "port": 80}, {"name": "https", "port": 443})
    wanted = list(ports) or list(usual)
    return [
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        service(name, *wanted, namespace=namespace, selector={"istio": name}, type=kind),
    ]


def gateway(name: str, *servers: Manifest, namespace: str = "shop", router: str = "edge") -> Manifest:
    """An Istio Gateway for the routers labelled ``istio: ROUTER``."""
    return _istio("Gateway", name, namespace, {"selector": {"istio": router}, "servers": list(servers)})


def server(port: int, protocol: str, *hosts: str, name: str = "", **more: Any) -> Manifest:
    """A server of a Gateway."""
    return {
        "port": {"number": port, "name": name or f"{protocol.lower()}-{port}", "protocol": protocol},
        "hosts": list(hosts),
        **more,
    }
