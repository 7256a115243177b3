"""Listeners and backends of the Gateway API over TLS: certificates, what is passed on by its server name, policies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ca.authority import Authority
from ca.issuer import Issuer, self_signed
from tests.envoy.gateway_api import backend, gateway_class, listener, made, mesh_route
from tests.envoy.manifests import Manifest, documents, namespace, pod, service
from tests.envoy.readable import readable
from xds.testing.mesh import Mesh

OUTSIDE = "outside/browser"
DAY = timedelta(days=1)
NAME = "inner.test"
PARENTS = [{"name": "edge", "namespace": "shop"}]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return self_signed(datetime.now(UTC))


@pytest.fixture(scope="module")
def mesh_manifests(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tls")
    served = Authority(issuer, "example.com").issue_server([NAME], DAY, datetime.now(UTC))
    (folder / "cert.pem").write_bytes(served.certificate_chain)
    (folder / "key.pem").write_bytes(served.private_key)
    (folder / "roots.pem").write_bytes(Authority(issuer, "example.com").roots.pem)
    readable(folder)
    echo = ["plait", "echo", "--https", "8443", "--tls", str(folder / "cert.pem"), str(folder / "key.pem")]
    edge = pod("edge", labels={"gateway.networking.k8s.io/gateway-name": "edge"}, ports="https:8443",
               annotations={"inject.istio.io/templates": "gateway"})  # fmt: skip
    edge["spec"]["containers"] = [{"name": "istio-proxy", "image": "auto"}]
    return documents(
        namespace("shop"),
        namespace("far"),
        namespace("outside", inject=False),
        pod("browser", namespace="outside"),
        pod("client"),
        pod("web"),
        service("web"),
        service("bare", {"name": "main", "port": 80, "targetPort": 8080}, selector={"app": "web"}),
        pod("inner", ports="https:8443", command=echo, annotations={"sidecar.istio.io/inject": "false"}),
        service("inner", {"name": "https", "port": 443, "targetPort": 8443}),
        service("plain", {"name": "http", "port": 80, "targetPort": 8443}, selector={"app": "inner"}),
        pod(
            "strict",
            ports="https:8443",
            command=[*echo, "--tls-ca", str(folder / "roots.pem")],
            annotations={"sidecar.istio.io/inject": "false"},
        ),
        service("strict", {"name": "http", "port": 80, "targetPort": 8443}),
        edge,
        gateway_class(),
    )


def gateway(*listeners: Manifest) -> Manifest:
    return made("Gateway", "edge", gatewayClassName="plait", listeners=list(listeners))


def https(name: str = "https", **more: Any) -> Manifest:
    return listener(8443, name, "HTTPS", tls={"certificateRefs": [{"name": "site"}]}, **more)


def secret(issuer: Issuer, *names: str, namespace: str = "shop") -> Manifest:
    served = Authority(issuer, "example.com").issue_server(list(names), DAY, datetime.now(UTC))
    texts = {"tls.crt": served.certificate_chain.decode(), "tls.key": served.private_key.decode()}
    metadata = {"name": "site", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": texts}


def bundle(issuer: Issuer, name: str = "roots") -> Manifest:
    texts = {"ca.crt": Authority(issuer, "example.com").roots.pem.decode()}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": texts}


async def ask(mesh: Mesh, host: str = "site.test", *more: str) -> tuple[int, Any]:
    """Status and echo of a request over TLS from outside of the mesh; 0 where there is no connection."""
    words = ["curl", "-sk", *more, "--resolve", f"{host}:8443:{mesh.ip('shop/edge')}", "-w", "\n%{http_code}"]
    done = await mesh.local.exec(mesh.pod(OUTSIDE), [*words, f"https://{host}:8443/"])
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if status == "200" else None


async def test_https(mesh: Mesh, issuer: Issuer) -> None:
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("web")]}])
    await mesh.apply(documents(gateway(https(hostname="*.test")), site, secret(issuer, "site.test")))
    status, echo = await ask(mesh)
    assert (status, echo["headers"]["x-forwarded-proto"]) == (200, "https")
    assert (await ask(mesh, "site.else"))[0] == 0


async def test_requests_on_a_connection_for_another_listener_are_misdirected(mesh: Mesh, issuer: Issuer) -> None:
    listeners = (
        https("any"),
        https("wild", hostname="*.wild.test"),
        https("one", hostname="one.wild.test"),
        https("two", hostname="two.test"),
    )
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("web")]}])
    narrow = [{"name": "edge", "sectionName": "any"}]
    site["spec"] |= {
        "parentRefs": [*narrow, *({"name": "edge", "sectionName": name} for name in ("wild", "one", "two"))]
    }
    await mesh.apply(documents(gateway(*listeners), site, secret(issuer, "site.test")))
    for sni, host, status in (
        ("two.test", "two.test", 200),
        ("two.test", "else.test", 421),
        ("two.test", "x.wild.test", 421),
        ("x.wild.test", "y.wild.test", 200),
        ("x.wild.test", "one.wild.test", 421),
        ("one.wild.test", "x.wild.test", 421),
        ("else.test", "other.test", 200),
        ("else.test", "two.test", 421),
    ):
        assert (await ask(mesh, sni, "-H", f"host: {host}"))[0] == status, (sni, host)


async def test_certificates_of_other_namespaces_need_a_grant(mesh: Mesh, issuer: Issuer) -> None:
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("web")]}])
    far = {"certificateRefs": [{"name": "site", "namespace": "far"}]}
    doors = gateway(listener(8443, "https", "HTTPS", tls=far))
    objects = (doors, site, secret(issuer, "site.test", namespace="far"))
    await mesh.apply(documents(*objects))
    assert (await ask(mesh))[0] == 0
    source = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": "shop"}
    spec: Any = {"from": [source], "to": [{"group": "", "kind": "Secret", "name": "site"}]}
    await mesh.apply(documents(made("ReferenceGrant", "site", "far", **spec)), "grant.yaml")
    assert (await ask(mesh))[0] == 200
    await mesh.apply(documents(*objects[:-1]))
    assert (await ask(mesh))[0] == 200, "the last certificate of a Secret that was deleted goes on being shown"
    await mesh.delete("grant.yaml")
    assert (await ask(mesh))[0] == 0, "but not beyond its namespace's grant"


async def test_tls_is_passed_on_by_its_server_name(mesh: Mesh) -> None:
    passed = listener(8443, "tls", "TLS", tls={"mode": "Passthrough"})
    rules = [{"backendRefs": [backend("inner", port=443)]}]
    await mesh.apply(
        documents(gateway(passed), made("TLSRoute", "inner", parentRefs=PARENTS, hostnames=[NAME], rules=rules))
    )
    status, echo = await ask(mesh, NAME)
    assert (status, echo["scheme"]) == (200, "https")
    assert (await ask(mesh, "else.test"))[0] == 0


async def test_tls_is_ended_and_its_bytes_are_passed_on(mesh: Mesh, issuer: Issuer) -> None:
    ended = listener(8443, "tls", "TLS", tls={"certificateRefs": [{"name": "site"}]})
    rules = [{"backendRefs": [backend("web")]}]
    wanted = made("TLSRoute", "web", parentRefs=PARENTS, hostnames=["site.test"], rules=rules)
    await mesh.apply(documents(gateway(ended), wanted, secret(issuer, "site.test")))
    status, echo = await ask(mesh)
    assert (status, echo["scheme"]) == (200, "http")


async def test_clients_that_must_prove_who_they_are(mesh: Mesh, issuer: Issuer, tmp_path: Path) -> None:
    def shown(of: Issuer, name: str) -> list[str]:
        made = Authority(of, "example.com").issue("spiffe://example.com/ns/x/sa/y", DAY, datetime.now(UTC))
        pair = tmp_path / f"{name}.pem"
        pair.write_bytes(made.certificate_chain + made.private_key)
        readable(tmp_path)
        return ["--cert", str(pair)]

    known, stranger = shown(issuer, "known"), shown(self_signed(datetime.now(UTC)), "stranger")
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("web")]}])
    for mode, wanted in (("AllowValidOnly", [200, 0, 0]), ("AllowInsecureFallback", [200, 200, 200])):
        refs = [{"group": "", "kind": "ConfigMap", "name": "roots"}]
        doors = gateway(https())
        doors["spec"]["tls"] = {"frontend": {"default": {"validation": {"caCertificateRefs": refs, "mode": mode}}}}
        await mesh.apply(documents(doors, site, secret(issuer, "site.test"), bundle(issuer)))
        assert [(await ask(mesh, "site.test", *pair))[0] for pair in (known, stranger, [])] == wanted, mode


async def test_one_port_passes_some_names_on_ends_others_and_speaks_http_for_more(mesh: Mesh, issuer: Issuer) -> None:
    listeners = (
        listener(8443, "passed", "TLS", hostname=NAME, tls={"mode": "Passthrough"}),
        listener(8443, "ended", "TLS", hostname="ended.test", tls={"certificateRefs": [{"name": "site"}]}),
        https(hostname="site.test"),
    )
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("web")]}])
    passed = made("TLSRoute", "passed", parentRefs=PARENTS, hostnames=[NAME],
                  rules=[{"backendRefs": [backend("inner", port=443)]}])  # fmt: skip
    ended = made("TLSRoute", "ended", parentRefs=PARENTS, hostnames=["ended.test"],
                 rules=[{"backendRefs": [backend("web")]}])  # fmt: skip
    await mesh.apply(documents(gateway(*listeners), site, passed, ended, secret(issuer, "site.test")))
    found = {host: await ask(mesh, host) for host in (NAME, "ended.test", "site.test")}
    assert {host: (status, echo and echo["scheme"]) for host, (status, echo) in found.items()} == {
        NAME: (200, "https"),
        "ended.test": (200, "http"),
        "site.test": (200, "http"),
    }
    assert "x-forwarded-proto" in found["site.test"][1]["headers"]


def policy(service: str, hostname: str = NAME, **validation: Any) -> Manifest:
    roots = {"caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "roots"}]}
    target = {"group": "", "kind": "Service", "name": service}
    wanted = {"hostname": hostname, **(validation or roots)}
    return made("BackendTLSPolicy", service, targetRefs=[target], validation=wanted)


async def test_backends_by_tls_for_sidecars_and_gateways(mesh: Mesh, issuer: Issuer) -> None:
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("plain")]}])
    inside = mesh_route("web", {"backendRefs": [backend("plain")]})
    doors = (gateway(https()), site, inside, secret(issuer, "site.test"))
    await mesh.apply(documents(*doors, policy("plain"), bundle(issuer)))
    status, echo = await ask(mesh)
    assert (status, echo["scheme"]) == (200, "https")
    assert (await mesh.get("client", "http://web/")).echo["scheme"] == "https"
    for wrong in (
        (policy("plain", "else.test"), bundle(issuer)),
        (policy("plain"), bundle(self_signed(datetime.now(UTC)))),
        (policy("plain"),),
    ):
        await mesh.apply(documents(*doors, *wrong))
        assert (await ask(mesh))[0] == 503
        assert (await mesh.get("client", "http://web/")).status == 503


async def test_backends_that_ask_the_gateway_for_a_certificate(mesh: Mesh, issuer: Issuer) -> None:
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=[{"backendRefs": [backend("strict")]}])
    made_of = Authority(issuer, "example.com").issue("spiffe://example.com/ns/x/sa/y", DAY, datetime.now(UTC))
    texts = {"tls.crt": made_of.certificate_chain.decode(), "tls.key": made_of.private_key.decode()}
    shown = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shown", "namespace": "shop"}}
    doors = gateway(https())
    rest = (site, secret(issuer, "site.test"), policy("strict"), bundle(issuer), shown | {"stringData": texts})
    await mesh.apply(documents(doors, *rest))
    assert (await ask(mesh))[0] == 503
    doors["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": "shown"}}}
    await mesh.apply(documents(doors, *rest))
    assert (await ask(mesh))[0] == 200
    doors["spec"]["tls"] = {"backend": {"clientCertificateRef": {"name": "gone"}}}
    await mesh.apply(documents(doors, *rest))
    assert (await ask(mesh))[0] == 503


async def test_http2_clients_of_backends_that_declare_nothing(mesh: Mesh, issuer: Issuer) -> None:
    """Gateways then speak HTTP/1.1, as a server that says nothing may know no more; gRPC is HTTP/2."""
    rules = [{"backendRefs": [backend("bare")]}]
    site = made("HTTPRoute", "site", parentRefs=PARENTS, rules=rules)
    calls = made("GRPCRoute", "calls", parentRefs=PARENTS, hostnames=["calls.test"], rules=rules)
    for routes, wanted in (((site,), "1.1"), ((site, calls), "2")):
        await mesh.apply(documents(gateway(https()), *routes, secret(issuer, "site.test")))
        status, echo = await ask(mesh, "site.test", "--http2")
        assert (status, echo["protocol"]) == (200, f"HTTP/{wanted}")
