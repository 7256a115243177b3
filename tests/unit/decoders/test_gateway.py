"""Gateways of Istio's API: servers as they are meant, and what cannot be one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.gateway import CredentialName, EdgeTlsMode, Gateway, GatewaySelector, Server, ServerHost
from xds.model.labels import labels
from xds.model.refs import ObjectRef
from xds.model.service import Protocol
from xds.model.snapshot import Snapshot, Table

REF = ObjectRef("networking.istio.io", "Gateway", "shop", "front")
HTTPS = {"number": 443, "name": "https", "protocol": "HTTPS"}
PLAIN = {"number": 80, "name": "http", "protocol": "HTTP"}


def decoded(*servers: dict[str, Any], **spec: Any) -> tuple[Snapshot, list[str]]:
    """The snapshot of one Gateway, and the findings as ``field code``."""
    plain = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "front", "namespace": "shop", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"servers": list(servers), **spec},
    }
    builder = Builder()
    change = applied(builder, [made(plain)])
    return change.snapshot, [f"{problem.at.dotted} {problem.code}" for problem in builder.problems]


def server(*, port: dict[str, Any] = HTTPS, hosts: tuple[str, ...] = ("a.test",), **more: Any) -> Server:
    snapshot, problems = decoded({"port": port, "hosts": list(hosts), **more})
    assert not problems
    gateway: Gateway = snapshot.rows(Table.GATEWAY, REF)[0]
    return gateway.servers[0]


def faults(*, port: dict[str, Any] = HTTPS, hosts: tuple[str, ...] = ("a.test",), **more: Any) -> list[str]:
    return [each.removeprefix("spec.servers[0].") for each in decoded({"port": port, "hosts": list(hosts), **more})[1]]


def test_a_selector_is_for_routers_of_any_namespace() -> None:
    snapshot, _ = decoded({"port": PLAIN, "hosts": ["*"]}, selector={"istio": "edge"})
    found = snapshot.rows(Table.GATEWAY_SELECTOR, "")
    assert found == (GatewaySelector(REF, "2026-01-02T03:04:05+00:00", labels({"istio": "edge"})),)


def test_hosts_say_whose_routes_they_take() -> None:
    found = server(port=PLAIN, hosts=("A.test", "./b.test", "other/*.c.test", "*/d.test"))
    assert found.hosts == (
        ServerHost("a.test"), ServerHost("b.test", "shop"), ServerHost("*.c.test", "other"), ServerHost("d.test"),
    )  # fmt: skip
    assert (found.section, found.protocol, found.tls) == ("http", Protocol.HTTP, None)


def test_a_redirect_is_no_tls() -> None:
    found = server(port=PLAIN, tls={"httpsRedirect": True})
    assert (found.https_redirect, found.tls) == (True, None)


def test_tls_by_secret() -> None:
    tls = {"mode": "MUTUAL", "credentialNames": ["rsa", "ecdsa"], "caCertCredentialName": "clients",
           "minProtocolVersion": "TLSV1_0", "maxProtocolVersion": "TLSV1_2", "subjectAltNames": ["b", "a"]}  # fmt: skip
    found = server(tls=tls).tls
    assert found is not None
    assert found.mode is EdgeTlsMode.MUTUAL
    assert found.certificates == (CredentialName("rsa"), CredentialName("ecdsa"))
    assert found.authorities == CredentialName("clients")
    assert (found.bounds.minimum, found.maximum, found.names) == ("TLSv1_0", "TLSv1_2", ("a", "b"))


def test_tls_by_files() -> None:
    tls = {"mode": "MUTUAL", "tlsCertificates": [{"serverCertificate": "/c", "privateKey": "/k",
                                                  "caCertificates": "/ca"}], "caCrl": "/crl"}  # fmt: skip
    found = server(tls=tls).tls
    assert found is not None
    assert (found.pairs, found.authorities_file, found.revoked_file) == ((("/c", "/k"),), "/ca", "/crl")


SIMPLE = {"mode": "SIMPLE", "credentialName": "site"}
DIGEST = "A" * 43 + "="
WRONG: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no host": ({"port": PLAIN, "hosts": ()}, ["hosts gateway.hosts"]),
    "a wildcard within": ({"port": PLAIN, "hosts": ("a.*.test",)}, ["hosts[0] host.wildcard"]),
    "a port in a host": ({"port": PLAIN, "hosts": ("a.test:80",)}, ["hosts[0] host.name"]),
    "a strange namespace": ({"port": PLAIN, "hosts": ("*x/a.test",)}, ["hosts[0] gateway.host-namespace"]),
    "no such protocol": ({"port": {**PLAIN, "protocol": "SPDY"}}, ["port.protocol port.protocol"]),
    "the proxy's own port": ({"port": {**PLAIN, "number": 15021}}, ["port.number gateway.port-taken"]),
    "a name to bind": ({"port": PLAIN, "bind": "unix:///x"}, ["bind gateway.bind"]),
    "HTTPS without TLS": ({}, ["tls gateway.tls-missing"]),
    "TLS on plain HTTP": ({"port": PLAIN, "tls": SIMPLE}, ["tls gateway.tls-on-plain"]),
    "a redirect of HTTPS": ({"tls": {**SIMPLE, "httpsRedirect": True}}, ["tls.httpsRedirect gateway.redirect"]),
    "no certificate": ({"tls": {"mode": "SIMPLE"}}, ["tls.credentialName gateway.certificate-missing"]),
    "half a pair": (
        {"tls": {"mode": "SIMPLE", "serverCertificate": "/c"}}, ["tls.privateKey gateway.certificate-missing"],
    ),
    "a Secret and files": (
        {"tls": {**SIMPLE, "serverCertificate": "/c", "privateKey": "/k"}},
        ["tls.serverCertificate tls.field-excluded"],
    ),
    "two Secrets twice": ({"tls": {**SIMPLE, "credentialNames": ["b"]}}, ["tls.credentialNames tls.field-excluded"]),
    "three Secrets": (
        {"tls": {"mode": "SIMPLE", "credentialNames": ["a", "b", "c"]}}, ["tls.credentialNames gateway.certificates"],
    ),
    "a Secret of authorities": (
        {"tls": {"mode": "SIMPLE", "credentialName": "site-cacert"}}, ["tls.credentialName tls.credential-name"],
    ),
    "a certificate that is not shown": (
        {"tls": {"mode": "PASSTHROUGH", "credentialName": "site"}}, ["tls.credentialName tls.field-excluded"],
    ),
    "nothing to prove clients by": (
        {"tls": {"mode": "MUTUAL", "serverCertificate": "/c", "privateKey": "/k"}},
        ["tls.caCertificates gateway.authorities-missing"],
    ),
    "versions the wrong way round": (
        {"tls": {**SIMPLE, "minProtocolVersion": "TLSV1_3", "maxProtocolVersion": "TLSV1_2"}},
        ["tls.maxProtocolVersion gateway.tls-versions"],
    ),
    "a suite that Envoy has not": (
        {"tls": {**SIMPLE, "cipherSuites": ["RC4"]}}, ["tls.cipherSuites[0] gateway.cipher-unknown"],
    ),
    "a pin that is none": (
        {"tls": {**SIMPLE, "mode": "MUTUAL", "verifyCertificateSpki": ["x"]}},
        ["tls.verifyCertificateSpki[0] gateway.certificate-pin"],
    ),
    "a hash that is none": (
        {"tls": {**SIMPLE, "mode": "MUTUAL", "verifyCertificateHash": ["x"]}},
        ["tls.verifyCertificateHash[0] gateway.certificate-pin"],
    ),
    "a pin of nobody": (
        {"tls": {**SIMPLE, "verifyCertificateSpki": [DIGEST]}}, ["tls.verifyCertificateSpki gateway.verify-none"],
    ),
    "SNI of the mesh on TCP": (
        {"port": {**PLAIN, "protocol": "TCP"}, "tls": {"mode": "AUTO_PASSTHROUGH"}},
        ["port.protocol gateway.auto-passthrough"],
    ),
    "what Istio does not read": (
        {"port": {**PLAIN, "targetPort": 8080}, "defaultEndpoint": "unix:///x"},
        ["defaultEndpoint gateway.default-endpoint", "port.targetPort gateway.target-port"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    given, wanted = WRONG[case]
    assert sorted(faults(**given)) == sorted(wanted)


def test_ports_have_names_of_their_own_and_there_is_one_at_least() -> None:
    assert decoded()[1] == ["spec.servers gateway.servers"]
    twice = decoded({"port": PLAIN, "hosts": ["a.test"]}, {"port": {**PLAIN, "number": 81}, "hosts": ["b.test"]})
    assert twice[1] == ["spec.servers[1].port.name port.name-twice"]
