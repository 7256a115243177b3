"""The healthy mesh of the catalogue: a client, servers of each kind, a gateway, and the policies that they have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from tests.envoy.gateway_api import backend, gateway_class, listener, made
from tests.envoy.manifests import (
    Manifest,
    destination_rule,
    gateway,
    namespace,
    pod,
    router,
    security,
    server,
    service,
    subsets,
    to,
    virtual_service,
)

HTTP: Final = {"name": "http", "port": 80, "targetPort": 8080}
_DAY: Final = timedelta(days=1)
_LIFE: Final = timedelta(days=30)
_NO_SIDECAR: Final = {"sidecar.istio.io/inject": "false"}


@cache
def _issuer() -> Issuer:
    return self_signed(datetime.now(UTC) - _LIFE)


def authorities() -> str:
    """The certificate (PEM) of who signs for the gateway."""
    return Authority(_issuer(), "example.com").roots.pem.decode()


def certificate(*, ended: bool = False, host: str = "site.test", name: str = "site") -> Manifest:
    """The Secret with the certificate that the gateway shows; one that has ``ended`` did so a day ago."""
    begins = datetime.now(UTC) - _LIFE + _DAY
    lifetime = _LIFE - 2 * _DAY if ended else 2 * _LIFE
    issued = Authority(_issuer(), "example.com").issue_server([host], lifetime, begins)
    texts = {"tls.crt": issued.certificate_chain.decode(), "tls.key": issued.private_key.decode()}
    metadata = {"name": name, "namespace": "ingress"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def healthy() -> list[Manifest]:
    """The whole mesh. ``web`` calls; ``api`` (v1, v2), ``db`` (TCP), ``pay`` (gRPC) and ``old`` (no sidecar) answer."""
    return [
        namespace("shop"),
        namespace("ingress"),
        namespace("istio-system", inject=False),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("web", account="web"),
        pod("api-v1", account="api"),
        pod("api-v2", account="api"),
        pod("db", ports="tcp:9000"),
        pod("pay", ports="grpc:7070"),
        pod("old", annotations=_NO_SIDECAR),
        service("web"),
        service("api", HTTP),
        service("old"),
        service("far", namespace="outside"),
        service("db", {"name": "tcp", "port": 9000}),
        service("pay", {"name": "grpc", "port": 7070}),
        destination_rule("api", subsets=subsets("v1", "v2")),
        virtual_service(
            "api",
            {"match": [{"headers": {"end-user": {"exact": "ann"}}}], "route": [to("api", "v2")]},
            {"route": [to("api", "v1", 50), to("api", "v2", 50)]},
        ),
        security("AuthorizationPolicy", "api", selector={"matchLabels": {"app": "api"}}, action="ALLOW", rules=[{}]),
        security("PeerAuthentication", "pay", selector={"matchLabels": {"app": "pay"}}, mtls={"mode": "STRICT"}),
        *router("edge", "ingress", {"name": "http", "port": 80, "targetPort": 8080},
                {"name": "https", "port": 443, "targetPort": 8443},
                labels={"gateway.networking.k8s.io/gateway-name": "door"}),
        gateway_class(),
        made("Gateway", "door", "ingress", gatewayClassName="plait", listeners=[
            listener(8081, allowedRoutes={"namespaces": {"from": "All"}})]),
        door(backend("api")),
        front(),
        virtual_service("site.test", {"route": [to("api", "v1")]}, name="site", gateways=["front"]),
        certificate(),
    ]  # fmt: skip


def front(*hosts: str, credential: str = "site", **more: str) -> Manifest:
    """The Gateway, for HTTP and HTTPS."""
    names = hosts or ("site.test",)
    shown = {"mode": "SIMPLE", "credentialName": credential}
    return gateway("front", server(80, "HTTP", *names), server(443, "HTTPS", *names, tls=shown), **more)


def door(*backends: Manifest) -> Manifest:
    """The HTTPRoute on the Gateway of the Gateway API."""
    parents = [{"name": "door", "namespace": "ingress"}]
    return made("HTTPRoute", "door", parentRefs=parents, rules=[{"backendRefs": list(backends)}])


def key(manifest: Manifest) -> str:
    """The name of an object as ``plait`` says it: ``Service shop/api``."""
    metadata = manifest["metadata"]
    owner = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {owner}{metadata['name']}"


def broken(well: Sequence[Manifest], breaks: Iterable[Manifest], gone: Iterable[str]) -> list[Manifest]:
    """The mesh with these manifests in the place of those of the same name, or more, and without those."""
    kept = {key(each): each for each in well} | {key(each): each for each in breaks}
    for name in gone:
        del kept[name]
    return list(kept.values())
