"""Which policy decides for which workload: PeerAuthentications by precedence, the others by whom they select."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.objects import applied, written
from tests.unit.view.security_meshes import CALLER, istio, mesh_config, peer_authentication, service, text
from xds.decoders.build import Builder
from xds.model.filters import FilterSlot
from xds.model.labels import labels
from xds.model.security import Mtls, MtlsMode
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.view.graph import Graph, call
from xds.view.mutual_tls import mtls
from xds.wire.resource import Resource, ResourceSet
from xds.wire.type_urls import EXTENSION

WEB = labels({"app": "web", "version": "v1"})
PROXY = replace(CALLER, namespace="shop", labels=WEB)
ROOT = "istio-system"


# -- PeerAuthentication


def taken(*objects: dict[str, Any], namespace: str = "shop") -> Mtls:
    graph = Graph(applied(Builder(), written(text(*objects))).snapshot)
    found = graph.get(call(mtls, namespace, WEB))
    assert isinstance(found, Mtls)
    return found


OF_MESH = peer_authentication("STRICT", namespace=ROOT)
OF_NAMESPACE = peer_authentication("DISABLE", name="n")
OF_WORKLOAD = peer_authentication("PERMISSIVE", name="w", app="web")


def test_the_narrowest_scope_decides() -> None:
    assert taken() == Mtls(MtlsMode.PERMISSIVE)
    assert taken(OF_MESH) == Mtls(MtlsMode.STRICT)
    assert taken(OF_MESH, OF_NAMESPACE) == Mtls(MtlsMode.DISABLE)
    assert taken(OF_MESH, OF_NAMESPACE, OF_WORKLOAD) == Mtls(MtlsMode.PERMISSIVE)
    assert taken(OF_MESH, OF_NAMESPACE, OF_WORKLOAD, namespace="other") == Mtls(MtlsMode.STRICT)


def test_unset_is_what_the_next_wider_scope_says() -> None:
    unset = (peer_authentication("", name="n"), peer_authentication("UNSET", {70: "STRICT"}, name="w", app="web"))
    assert taken(OF_MESH, *unset) == Mtls(MtlsMode.STRICT, ((70, MtlsMode.STRICT),))
    assert taken(*unset) == Mtls(MtlsMode.PERMISSIVE, ((70, MtlsMode.STRICT),))


def test_a_port_that_says_unset_is_as_the_workload() -> None:
    own = peer_authentication("STRICT", {70: "UNSET", 80: "DISABLE"}, app="web")
    assert taken(own) == Mtls(MtlsMode.STRICT, ((80, MtlsMode.DISABLE),))
    assert taken(own).at(70) is MtlsMode.STRICT


def test_the_oldest_of_a_scope_decides_and_of_equal_age_the_first_name() -> None:
    young = peer_authentication("DISABLE", name="a", created="2026-03-01T00:00:00Z", app="web")
    old = peer_authentication("STRICT", name="z", created="2026-02-01T00:00:00Z", app="web")
    assert taken(young, old) == taken(old, young) == Mtls(MtlsMode.STRICT)
    same = peer_authentication("PERMISSIVE", name="b", created="2026-02-01T00:00:00Z", app="web")
    assert taken(old, same) == Mtls(MtlsMode.PERMISSIVE)


def test_the_oldest_decides_even_where_it_says_unset() -> None:
    old = peer_authentication("UNSET", name="a", app="web", created="2026-01-01T00:00:00Z")
    young = peer_authentication("DISABLE", name="b", app="web", created="2026-02-01T00:00:00Z")
    assert taken(OF_MESH, old, young) == Mtls(MtlsMode.STRICT)


def test_a_selector_in_the_root_namespace_selects_nobody() -> None:
    selecting = peer_authentication("STRICT", {70: "STRICT"}, namespace=ROOT, app="web")
    assert taken(selecting) == taken(selecting, namespace=ROOT) == Mtls(MtlsMode.PERMISSIVE)


def test_the_root_namespace_can_be_another() -> None:
    there = peer_authentication("STRICT", namespace="roots")
    assert taken(there) == Mtls(MtlsMode.PERMISSIVE)
    assert taken(there, mesh_config(rootNamespace="roots")) == Mtls(MtlsMode.STRICT)


def test_a_selector_that_does_not_fit_is_not_asked() -> None:
    assert taken(peer_authentication("STRICT", {70: "STRICT"}, app="db")) == Mtls(MtlsMode.PERMISSIVE)


# -- policies in slots


def security(kind: str, name: str, spec: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
    made = istio(kind, spec, namespace, name)
    return {**made, "apiVersion": "security.istio.io/v1"}


def authorization(name: str, app: str = "", namespace: str = "shop", **spec: Any) -> dict[str, Any]:
    selector = {"selector": {"matchLabels": {"app": app}}} if app else {}
    return security("AuthorizationPolicy", name, {**selector, "rules": [{}], **spec}, namespace)


def sent(*objects: dict[str, Any]) -> dict[str, Resource]:
    """What stands in the slots of the proxy's inbound chains, by name."""
    served: ResourceSet = at_once(Pipeline(applied(Builder(), written(text(*objects))).snapshot).connect(PROXY))
    slots = {slot.resource(tcp=tcp) for slot in FilterSlot for tcp in (False, True)}
    return {name: table[name] for table in served.of(EXTENSION) for name in table if name in slots}


def versions(*objects: dict[str, Any]) -> dict[str, str]:
    return {name: resource.version for name, resource in sent(*objects).items()}


def test_every_slot_is_filled_also_where_there_is_no_policy() -> None:
    wanted = {slot.resource(tcp=tcp) for slot in FilterSlot for tcp in (False, True) if not (tcp and slot.http_only)}
    assert set(sent(service())) == wanted


@pytest.mark.parametrize(
    "other",
    [
        authorization("x", "db", action="DENY"),
        authorization("x", "web", namespace="other", action="DENY"),
        authorization("x", "db", namespace=ROOT, action="DENY"),
        authorization("x", namespace="other"),
        security("RequestAuthentication", "x", {"selector": {"matchLabels": {"app": "db"}}, "jwtRules": []}),
        security("AuthorizationPolicy", "x", {"targetRefs": [{"kind": "Service", "name": "web"}], "rules": [{}]}),
        peer_authentication("STRICT"),
    ],
    ids=["other workload", "other namespace", "root, other workload", "all of another", "tokens", "target", "peers"],
)
def test_what_is_for_others_neither_decides_nor_is_provenance(other: dict[str, Any]) -> None:
    own = authorization("own", "web")
    with_it, without = sent(service(), own, other), sent(service(), own)
    for name, resource in with_it.items():
        assert resource.version == without[name].version
        assert {ref.name for ref in resource.provenance} == {"own"}, name


@pytest.mark.parametrize("namespace", ["shop", ROOT])
@pytest.mark.parametrize("app", ["", "web"])
def test_the_namespaces_own_and_the_roots_decide_where_they_select(namespace: str, app: str) -> None:
    found = sent(service(), authorization("x", app, namespace=namespace, action="DENY"))
    empty = versions(service())
    changed = {name for name, resource in found.items() if resource.version != empty[name]}
    assert changed == {"authorization-deny", "authorization-deny-tcp"}
    assert {ref.name for ref in found["authorization-deny"].provenance} == {"x"}


@pytest.mark.parametrize(
    ("action", "slot"),
    [("ALLOW", "authorization-allow"), ("DENY", "authorization-deny"), ("AUDIT", "authorization-audit")],
)
def test_one_policy_is_one_slot(action: str, slot: str) -> None:
    empty, found = versions(service()), versions(service(), authorization("x", action=action))
    assert {name for name in found if found[name] != empty[name]} == {slot, f"{slot}-tcp"}


def test_a_rule_of_http_alone_denies_no_plain_connection_less() -> None:
    """An ALLOW of HTTP fields matches nothing on TCP, so that all is refused; a DENY leaves them out, and is wider."""
    http_only: dict[str, Any] = {"rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}
    for action in ("ALLOW", "DENY"):
        found = versions(service(), authorization("x", action=action, **http_only))
        assert (
            found[f"authorization-{action.lower()}-tcp"] != versions(service())[f"authorization-{action.lower()}-tcp"]
        )
