"""Mutual TLS by the mesh's identities: to whom, under which names, and what a workload takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.view.security_meshes import (
    CALLER,
    MARK,
    WEB,
    Seen,
    behind,
    istio,
    mesh_config,
    peer_authentication,
    pod,
    service,
)
from xds.model.identity import Identity, TrustDomains
from xds.model.security import TlsBounds
from xds.view.specs.clusters import Discovery, MeshTls

ONE, TWO = "10.1.0.1", "10.1.0.2"
POD = (service(), behind(ONE), pod(ONE))
TWO_PODS = (service(), behind(ONE, TWO), pod(ONE))


def tls_of(seen: Seen, port: int = 80, **where: Any) -> MeshTls:
    found = seen.cluster(port, **where).mesh_tls
    assert found is not None
    return found


# -- what is offered


@pytest.mark.parametrize(
    ("port", "alpn"),
    [
        (80, ("istio-http/1.1", "istio")),
        (90, ("istio-h2", "istio")),
        (70, ("istio",)),
        (60, ("istio-http/1.1", "istio-h2", "istio")),
    ],
)
def test_alpn_says_what_is_spoken_and_no_server_agrees_on_it(port: int, alpn: tuple[str, ...]) -> None:
    assert tls_of(Seen(*POD), port).alpn == alpn


def test_sni_names_port_subset_and_host() -> None:
    rule = istio("DestinationRule", {"host": WEB, "subsets": [{"name": "v1", "labels": {"version": "v1"}}]})
    seen = Seen(*POD, rule)
    assert tls_of(seen).sni == f"outbound_.80_._.{WEB}"
    assert tls_of(seen, subset="v1").sni == f"outbound_.80_.v1_.{WEB}"


def test_the_mesh_says_what_may_be_negotiated() -> None:
    bounds = {"minProtocolVersion": "TLSV1_3", "ecdhCurves": ["P-256"]}
    assert tls_of(Seen(*POD, mesh_config(meshMTLS=bounds))).bounds == TlsBounds("TLSv1_3", (), ("P-256",))


# -- to whom


def test_only_to_endpoints_that_have_a_sidecar() -> None:
    assert Seen(*TWO_PODS, pod(TWO, mark=False)).takes_tls() == {ONE: True, TWO: False}


def test_an_address_without_pod_has_no_sidecar() -> None:
    assert Seen(*TWO_PODS).takes_tls() == {ONE: True, TWO: False}


@pytest.mark.parametrize(
    ("mode", "ports", "to"),
    [
        ("PERMISSIVE", {8080: "DISABLE"}, {80: False, 70: True}),
        ("DISABLE", {70: "STRICT"}, {80: False, 70: True}),
        ("DISABLE", {70: "UNSET"}, {80: False, 70: False}),
        ("STRICT", {80: "DISABLE"}, {80: True, 70: True}),  # the service's port is not the pod's
    ],
)
def test_the_mode_counts_at_the_port_of_the_pod(mode: str, ports: dict[int, str], to: dict[int, bool]) -> None:
    seen = Seen(*POD, peer_authentication(mode, ports, app="web"))
    assert {port: seen.takes_tls(port)[ONE] for port in to} == to


def test_one_port_of_some_pods_only() -> None:
    policy = peer_authentication("", {8080: "DISABLE"}, app="web")
    policy["spec"]["selector"]["matchLabels"]["version"] = "v2"
    assert Seen(*TWO_PODS, pod(TWO, version="v2"), policy).takes_tls() == {ONE: True, TWO: False}


@pytest.mark.parametrize(
    ("annotations", "to"),
    [
        ({"excludeInboundPorts": "8080, 9999"}, {80: False, 70: True}),
        ({"excludeInboundPorts": "80"}, {80: True, 70: True}),
        ({"includeInboundPorts": "8080"}, {80: True, 70: False}),
        ({"includeInboundPorts": ""}, {80: False, 70: False}),
        ({"includeInboundPorts": "*", "excludeInboundPorts": "70"}, {80: True, 70: False}),
        ({"excludeInboundPorts": "nonsense"}, {80: True, 70: True}),
    ],
)
def test_ports_that_do_not_come_in_by_the_sidecar_are_plaintext(
    annotations: dict[str, str], to: dict[int, bool]
) -> None:
    stated = {f"traffic.sidecar.istio.io/{name}": value for name, value in annotations.items()}
    seen = Seen(service(), behind(ONE), pod(ONE, annotations=stated))
    assert {port: seen.takes_tls(port)[ONE] for port in to} == to


def test_a_pod_that_intercepts_nothing_is_plaintext() -> None:
    stated = {"sidecar.istio.io/interceptionMode": "NONE"}
    assert Seen(service(), behind(ONE), pod(ONE, annotations=stated)).takes_tls() == {ONE: False}


def test_a_headless_service_is_all_or_nothing() -> None:
    headless = service(clusterIP="None")
    every = Seen(headless, behind(ONE, TWO), pod(ONE), pod(TWO)).cluster()
    assert every.discovery is Discovery.ORIGINAL_DST
    assert every.mesh_tls is not None
    assert not every.mesh_tls.by_endpoint
    assert Seen(headless, behind(ONE, TWO), pod(ONE), pod(TWO, mark=False)).cluster().mesh_tls is None
    assert Seen(headless, behind(ONE, TWO), pod(ONE)).cluster().mesh_tls is None
    assert Seen(headless).cluster().mesh_tls is None


def test_a_headless_service_is_plaintext_where_one_pod_takes_none_at_that_port() -> None:
    policy = peer_authentication("", {8080: "DISABLE"}, app="web")
    seen = Seen(service(clusterIP="None"), behind(ONE), pod(ONE), policy)
    assert seen.cluster(80).mesh_tls is None
    assert seen.cluster(70).mesh_tls is not None


def entry(location: str, resolution: str, **endpoint: Any) -> dict[str, Any]:
    spec = {
        "hosts": ["out.example.com"],
        "location": location,
        "resolution": resolution,
        "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
        "endpoints": [{"address": ONE, "labels": MARK, **endpoint}],
    }
    return istio("ServiceEntry", spec)


OUT = "out.example.com"


@pytest.mark.parametrize("resolution", ["STATIC", "DNS", "DNS_ROUND_ROBIN"])
def test_a_host_outside_of_the_mesh_is_never_shown_an_identity(resolution: str) -> None:
    assert Seen(entry("MESH_EXTERNAL", resolution)).cluster(host=OUT).mesh_tls is None


@pytest.mark.parametrize("resolution", ["STATIC", "DNS", "DNS_ROUND_ROBIN"])
def test_a_host_within_is_by_endpoint_however_it_is_found(resolution: str) -> None:
    seen = Seen(entry("MESH_INTERNAL", resolution, serviceAccount="vm"))
    assert tls_of(seen, host=OUT).by_endpoint
    assert tls_of(seen, host=OUT).names == ("spiffe://cluster.local/ns/shop/sa/vm",)
    assert seen.takes_tls(host=OUT) == {ONE: True}


def test_names_of_a_service_entry_are_believed_too() -> None:
    spoken = entry("MESH_INTERNAL", "STATIC", serviceAccount="vm")
    spoken["spec"]["subjectAltNames"] = ["vm.example.com"]
    names = ("spiffe://cluster.local/ns/shop/sa/vm", "vm.example.com")
    assert tls_of(Seen(spoken), host=OUT).names == names


# -- who must be there


def test_every_account_behind_a_port_in_every_trust_domain() -> None:
    seen = Seen(
        *TWO_PODS,
        pod(TWO, account="other"),
        mesh_config(trustDomain="own.example", trustDomainAliases=["old.example", "own.example"]),
    )
    wanted = {f"spiffe://{td}/ns/shop/sa/{sa}" for td in ("own.example", "old.example") for sa in ("web", "other")}
    assert tls_of(seen).names == tuple(sorted(wanted))


def test_where_no_account_is_known_any_of_the_mesh_is_taken() -> None:
    spoken = tls_of(Seen(service(), mesh_config(trustDomain="own.example", trustDomainAliases=["old.example"])))
    assert spoken.names == ()
    assert spoken.trust == TrustDomains("own.example", ("old.example",))


# -- rules


def rule(**tls: Any) -> dict[str, Any]:
    return istio("DestinationRule", {"host": WEB, "trafficPolicy": {"tls": tls}})


@pytest.mark.parametrize("mode", ["DISABLE", "SIMPLE"])
def test_a_rule_for_other_tls_ends_the_meshs(mode: str) -> None:
    assert Seen(*POD, rule(mode=mode)).cluster().mesh_tls is None


def test_a_rule_for_mutual_tls_is_for_all_endpoints_and_holds_without_auto_mtls() -> None:
    spoken = tls_of(Seen(*TWO_PODS, rule(mode="ISTIO_MUTUAL"), mesh_config(enableAutoMtls=False)))
    assert not spoken.by_endpoint
    assert spoken.names == ("spiffe://cluster.local/ns/shop/sa/web",)


def test_what_a_rule_names_replaces_what_is_known() -> None:
    stated = rule(mode="ISTIO_MUTUAL", sni="other", subjectAltNames=["spiffe://x/b", "spiffe://x/a"])
    spoken = tls_of(Seen(*POD, stated))
    assert (spoken.sni, spoken.names) == ("other", ("spiffe://x/a", "spiffe://x/b"))


# -- who calls


def test_a_proxy_without_identity_speaks_plaintext_unless_a_rule_forbids_it() -> None:
    nobody = replace(CALLER, identity=Identity.NONE)
    assert Seen(*POD, proxy=nobody).cluster().mesh_tls is None
    assert Seen(*POD, rule(mode="ISTIO_MUTUAL"), proxy=nobody).cluster().mesh_tls is not None


def test_a_certificate_comes_from_where_the_proxy_has_it() -> None:
    for identity in (Identity.ADS, Identity.SOCKET):
        assert tls_of(Seen(*POD, proxy=replace(CALLER, identity=identity))).source is identity


def test_auto_mtls_can_be_turned_off() -> None:
    assert Seen(*POD, mesh_config(enableAutoMtls=False)).cluster().mesh_tls is None


# -- ports that no service declares


def by_hand(**endpoint: Any) -> dict[str, Any]:
    """A host of the mesh that leads to a pod by its address, not by a selector."""
    return entry("MESH_INTERNAL", "STATIC", ports={"http": 1234}, **endpoint)


def test_a_port_that_no_service_of_the_pod_declares_is_plaintext_since_its_sidecar_passes_all_on() -> None:
    assert Seen(*POD, by_hand()).takes_tls(host=OUT) == {ONE: False}
    assert Seen(pod(ONE), by_hand()).takes_tls(host=OUT) == {ONE: False}
    assert Seen(*POD, by_hand(), peer_authentication("PERMISSIVE", {1234: "STRICT"}, app="web")).takes_tls(
        host=OUT
    ) == {ONE: True}


@pytest.mark.parametrize("target", [1234, "named"])
def test_a_port_that_another_service_declares_takes_it(target: int | str) -> None:
    declaring = service(ports=[{"name": "x", "port": 1, "targetPort": target}])
    named = pod(ONE)
    named["spec"]["containers"][0]["ports"] = [{"name": "named", "containerPort": 1234}]
    assert Seen(declaring, named, by_hand()).takes_tls(host=OUT) == {ONE: True}
    elsewhere = {**declaring, "metadata": {"name": "web", "namespace": "other"}}
    assert Seen(elsewhere, named, by_hand()).takes_tls(host=OUT) == {ONE: False}
