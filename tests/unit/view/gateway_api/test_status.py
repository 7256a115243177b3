"""What Gateways and routes say of themselves, reason by reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from tests.unit.view.gateway_api.meshes import (
    CERTIFICATE,
    CLASSES,
    GATEWAY,
    Plain,
    api,
    core,
    gateway,
    graph,
    listener,
    route,
    secret,
    service,
)
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.conditions import Condition, GatewayStatus, ListenerStatus, ParentStatus
from xds.model.gateway import API_GROUP
from xds.model.gateway_api import MESH_CONTROLLER
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef
from xds.view.gateway_api.backend_tls import backend_tls, policy_status
from xds.view.gateway_api.status import gateway_status, listener_set_status, route_status
from xds.view.graph import call

WEB = service("web")
ADDRESS = ("192.0.2.1",)
REF: Plain = {"name": "cert"}
TLS: Plain = {"certificateRefs": [REF]}


def status(*plain: Plain, programmed: bool = True) -> GatewayStatus:
    found = graph(*plain).get(call(gateway_status, GATEWAY, ADDRESS, programmed))
    assert isinstance(found, GatewayStatus)
    return found


def said(conditions: tuple[Condition, ...]) -> dict[str, str]:
    """The reason of each condition, with a minus where it does not hold."""
    return {each.type: ("" if each.holds else "-") + each.reason for each in conditions}


def the_listener(*plain: Plain, name: str = "http") -> ListenerStatus:
    return next(each for each in status(*plain).listeners if each.name == name)


def test_all_is_well() -> None:
    found = status(gateway(listener()), route(), WEB)
    assert said(found.conditions) == {name: name for name in ("Accepted", "Programmed", "ResolvedRefs")}
    (only,) = found.listeners
    wanted = {name: name for name in ("Accepted", "Programmed", "ResolvedRefs")}
    assert said(only.conditions) == {**wanted, "Conflicted": "-NoConflicts"}
    assert only.attached_routes == 1
    assert [kind.kind for kind in only.supported_kinds] == ["HTTPRoute", "GRPCRoute"]


@pytest.mark.parametrize("name", ["plait", "istio"])
def test_classes_that_are_ours(name: str) -> None:
    assert status(gateway(listener(), gateway_class=name)) is not None


@pytest.mark.parametrize("name", ["other", "none"])
def test_classes_that_are_not(name: str) -> None:
    found = graph(gateway(listener(), gateway_class=name), route())
    assert found.get(call(gateway_status, GATEWAY)) is None
    assert found.get(call(route_status, ObjectRef(API_GROUP, "HTTPRoute", "infra", "r"))) == ()


def test_what_the_cluster_has_not_done_yet() -> None:
    assert said(status(gateway(listener()), programmed=False).conditions)["Programmed"] == "-Pending"
    found = graph(gateway(listener())).get(call(gateway_status, GATEWAY, (), False))
    assert said(found.conditions)["Programmed"] == "-AddressNotAssigned"


LISTENERS: dict[str, tuple[list[Plain], str, str]] = {
    "udp": ([listener(protocol="UDP")], "Accepted", "-UnsupportedProtocol"),
    "port": ([listener(port=15021)], "Accepted", "-PortUnavailable"),
    "mode": ([listener(protocol="TLS", tls={"mode": "Sorcery"})], "Accepted", "-UnsupportedValue"),
    "https-passed": ([listener(protocol="HTTPS", tls={"mode": "Passthrough"})], "Accepted", "-UnsupportedValue"),
    "protocols": ([listener(), listener("b", "TCP")], "Accepted", "-ProtocolConflict"),
    "http-and-https": ([listener(tls=None), listener("b", "HTTPS", tls=TLS)], "Conflicted", "ProtocolConflict"),
    "hosts": ([listener(hostname="a.b"), listener("b", hostname="a.b")], "Conflicted", "HostnameConflict"),
    "tcp": ([listener(protocol="TCP"), listener("b", "TCP")], "Conflicted", "HostnameConflict"),
    "other-hosts": ([listener(hostname="a.b"), listener("b", hostname="c.b")], "Conflicted", "-NoConflicts"),
    "no-certificate": ([listener(protocol="HTTPS", tls={})], "ResolvedRefs", "-InvalidCertificateRef"),
    "no-secret": ([listener(protocol="HTTPS", tls=TLS)], "ResolvedRefs", "-InvalidCertificateRef"),
    "kind": (
        [listener(protocol="HTTPS", tls={"certificateRefs": [{**REF, "kind": "Sorcery"}]})],
        "ResolvedRefs",
        "-InvalidCertificateRef",
    ),
    "grant": (
        [listener(protocol="HTTPS", tls={"certificateRefs": [{**REF, "namespace": "far"}]})],
        "ResolvedRefs",
        "-RefNotPermitted",
    ),
    "kinds": ([listener(allowedRoutes={"kinds": [{"kind": "Sorcery"}]})], "ResolvedRefs", "-InvalidRouteKinds"),
    "overlap": (
        [listener(protocol="HTTPS", hostname="*.b", tls=TLS), listener("b", "HTTPS", hostname="a.b", tls=TLS)],
        "OverlappingTLSConfig",
        "OverlappingHostnames",
    ),
}


@pytest.mark.parametrize("case", LISTENERS)
def test_listeners(case: str) -> None:
    listeners, kind, reason = LISTENERS[case]
    found = said(the_listener(gateway(*listeners)).conditions)
    assert found[kind] == reason
    good = reason == "-NoConflicts" or kind == "OverlappingTLSConfig"
    assert found["Programmed"] == ("Programmed" if reason == "-NoConflicts" else "-Invalid") or good


def test_kinds_that_are_known_beside_others() -> None:
    allowed = {"kinds": [{"kind": "Sorcery"}, {"kind": "HTTPRoute"}]}
    found = the_listener(gateway(listener(allowedRoutes=allowed)), route(), WEB)
    assert [kind.kind for kind in found.supported_kinds] == ["HTTPRoute"]
    assert said(found.conditions)["ResolvedRefs"] == "-InvalidRouteKinds"
    assert found.attached_routes == 1


def grant(source: Plain, to: Plain, namespace: str = "far") -> Plain:
    spec: Any = {"from": [{"group": API_GROUP, **source}], "to": [{"group": "", **to}]}
    return api("ReferenceGrant", "g", namespace, **spec)


GATEWAYS = {"kind": "Gateway", "namespace": "infra"}


@pytest.mark.parametrize(
    ("source", "to", "reason"),
    [
        (GATEWAYS, {"kind": "Secret"}, "ResolvedRefs"),
        (GATEWAYS, {"kind": "Secret", "name": "cert"}, "ResolvedRefs"),
        (GATEWAYS, {"kind": "Secret", "name": "else"}, "-RefNotPermitted"),
        (GATEWAYS, {"kind": "Service"}, "-RefNotPermitted"),
        ({**GATEWAYS, "namespace": "else"}, {"kind": "Secret"}, "-RefNotPermitted"),
        ({**GATEWAYS, "kind": "HTTPRoute"}, {"kind": "Secret"}, "-RefNotPermitted"),
    ],
)
def test_certificates_of_other_namespaces(source: Plain, to: Plain, reason: str) -> None:
    tls = {"certificateRefs": [{**REF, "namespace": "far"}]}
    wanted = gateway(listener(protocol="HTTPS", tls=tls))
    found = the_listener(wanted, secret("cert", "far"), grant(source, to))
    assert said(found.conditions)["ResolvedRefs"] == reason


def test_gateways_with_listeners_that_are_not_valid() -> None:
    assert said(status(gateway(listener(), listener("u", "UDP"))).conditions)["Accepted"] == "ListenersNotValid"
    found = said(status(gateway(listener("u", "UDP"))).conditions)
    assert (found["Accepted"], found["Programmed"]) == ("-ListenersNotValid", "-Invalid")


def test_addresses_and_parameters() -> None:
    address: Plain = {"addresses": [{"type": "example.org/moon", "value": "x"}]}
    assert said(status(gateway(listener(), **address)).conditions)["Accepted"] == "-UnsupportedAddress"
    parameters: Plain = {"infrastructure": {"parametersRef": {"group": "x", "kind": "Moon", "name": "m"}}}
    assert said(status(gateway(listener(), **parameters)).conditions)["Accepted"] == "-InvalidParameters"


def test_authorities_of_clients() -> None:
    def validating(name: str, kind: str = "ConfigMap") -> Plain:
        refs = [{"group": "", "kind": kind, "name": name}]
        return {"frontend": {"default": {"validation": {"caCertificateRefs": refs, "mode": "AllowInsecureFallback"}}}}

    https = listener(protocol="HTTPS", tls=TLS)
    bundle = core("ConfigMap", "roots", data={"ca.crt": CERTIFICATE})
    good = status(gateway(https, tls=validating("roots")), secret("cert"), bundle)
    assert said(good.conditions)["InsecureFrontendValidationMode"] == "ConfigurationChanged"
    for name, kind, reason in (
        ("gone", "ConfigMap", "InvalidCACertificateRef"),
        ("roots", "Moon", "InvalidCACertificateKind"),
    ):
        bad = said(the_listener(gateway(https, tls=validating(name, kind)), secret("cert"), bundle).conditions)
        assert (bad["Accepted"], bad["ResolvedRefs"]) == ("-NoValidCACertificate", f"-{reason}")


def parents(*plain: Plain, of: Plain) -> tuple[ParentStatus, ...]:
    ref = ObjectRef(API_GROUP, of["kind"], of["metadata"]["namespace"], of["metadata"]["name"])
    found: tuple[ParentStatus, ...] = graph(*plain, of).get(call(route_status, ref))
    return found


def route_says(*plain: Plain, **more: Any) -> dict[str, str]:
    (found,) = parents(*plain, of=route(**more))
    return said(found.conditions)


def rule(*backends: Plain, **more: Any) -> list[Plain]:
    return [{"backendRefs": list(backends), **more}]


EDGE = {"name": "edge", "namespace": "infra"}
ALL = {"namespaces": {"from": "All"}}
BLUE = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"color": "blue"}}}}
REGEX = {"path": {"type": "RegularExpression", "value": "["}}
ROUTES: dict[str, tuple[Plain, dict[str, Any], str, str]] = {
    "well": (listener(), {}, "Accepted", "ResolvedRefs"),
    "section": (listener(), {"parentRefs": [{**EDGE, "sectionName": "x"}]}, "-NoMatchingParent", "ResolvedRefs"),
    "port": (listener(), {"parentRefs": [{**EDGE, "port": 81}]}, "-NoMatchingParent", "ResolvedRefs"),
    "both": (
        listener(),
        {"parentRefs": [{**EDGE, "port": 80, "sectionName": "http"}]},
        "Accepted",
        "ResolvedRefs",
    ),
    "namespace": (listener(), {"namespace": "far"}, "-NotAllowedByListeners", "-BackendNotFound"),
    "all": (listener(allowedRoutes=ALL), {"namespace": "far"}, "Accepted", "-BackendNotFound"),
    "selected": (listener(allowedRoutes=BLUE), {"namespace": "blue"}, "Accepted", "-BackendNotFound"),
    "not-selected": (listener(allowedRoutes=BLUE), {"namespace": "far"}, "-NotAllowedByListeners", "-BackendNotFound"),
    "kind": (listener(protocol="TCP"), {}, "-NotAllowedByListeners", "ResolvedRefs"),
    "host": (listener(hostname="a.b"), {"hostnames": ["c.b"]}, "-NoMatchingListenerHostname", "ResolvedRefs"),
    "wildcard": (listener(hostname="*.b"), {"hostnames": ["c.b"]}, "Accepted", "ResolvedRefs"),
    "filter": (listener(), {"rules": rule(filters=[{"type": "Moon"}])}, "-UnsupportedValue", "ResolvedRefs"),
    "filters": (
        listener(),
        {
            "rules": rule(
                filters=[{"type": "RequestRedirect", "requestRedirect": {}}, {"type": "URLRewrite", "urlRewrite": {}}]
            )
        },
        "-IncompatibleFilters",
        "ResolvedRefs",
    ),
    "regex": (listener(), {"rules": rule(matches=[REGEX])}, "-UnsupportedValue", "ResolvedRefs"),
    "no-backend": (listener(), {"rules": rule()}, "Accepted", "ResolvedRefs"),
    "gone": (listener(), {"rules": rule({"name": "gone", "port": 80})}, "Accepted", "-BackendNotFound"),
    "no-port": (listener(), {"rules": rule({"name": "web", "port": 81})}, "Accepted", "-BackendNotFound"),
    "backend-kind": (
        listener(),
        {"rules": rule({"name": "web", "port": 80, "kind": "Moon"})},
        "Accepted",
        "-InvalidKind",
    ),
    "far": (
        listener(),
        {"rules": rule({"name": "far", "namespace": "far", "port": 80})},
        "Accepted",
        "-RefNotPermitted",
    ),
    "service": (
        listener(),
        {"parentRefs": [{"group": "", "kind": "Service", "name": "web"}]},
        "Accepted",
        "ResolvedRefs",
    ),
    "no-service": (
        listener(),
        {"parentRefs": [{"group": "", "kind": "Service", "name": "gone"}]},
        "-NoMatchingParent",
        "ResolvedRefs",
    ),
}


@pytest.mark.parametrize("case", ROUTES)
def test_routes(case: str) -> None:
    wanted, more, accepted, resolved = ROUTES[case]
    blue = core("Namespace", "blue", "", metadata={"labels": {"color": "blue"}})
    found = route_says(gateway(wanted), WEB, service("far", "far", address="10.96.0.8"), blue, **more)
    assert (found["Accepted"], found["ResolvedRefs"]) == (accepted, resolved)


def test_a_backend_of_another_namespace_with_a_grant() -> None:
    rules = rule({"name": "far", "namespace": "far", "port": 80})
    allowed = grant({"kind": "HTTPRoute", "namespace": "infra"}, {"kind": "Service", "name": "far"})
    found = route_says(gateway(listener()), service("far", "far"), allowed, rules=rules)
    assert found["ResolvedRefs"] == "ResolvedRefs"


def test_a_route_of_which_a_part_cannot_be_carried_out() -> None:
    rules = [*rule({"name": "web", "port": 80}), *rule(filters=[{"type": "Moon"}])]
    found = route_says(gateway(listener()), WEB, rules=rules)
    assert found == {"Accepted": "Accepted", "ResolvedRefs": "ResolvedRefs", "PartiallyInvalid": "UnsupportedValue"}


def test_several_parents_each_say_their_own() -> None:
    wanted = route(parentRefs=[EDGE, {**EDGE, "sectionName": "x"}, {"name": "unknown"}])
    found = parents(gateway(listener()), WEB, of=wanted)
    assert [said(each.conditions)["Accepted"] for each in found] == ["Accepted", "-NoMatchingParent"]
    assert {each.controller for each in found} == {"plait.dev/gateway-controller"}


def tls_policy(name: str, *targets: Plain, created: str = "", **validation: Any) -> Plain:
    refs = [{"group": "", "kind": "Service", "name": "web", **each} for each in targets or ({},)]
    wanted = {"hostname": "web.example", **(validation or {"wellKnownCACertificates": "System"})}
    return api("BackendTLSPolicy", name, created=created, targetRefs=refs, validation=wanted)


def authorities(name: str, kind: str = "ConfigMap") -> Plain:
    return {"caCertificateRefs": [{"group": "", "kind": kind, "name": name}]}


ROOTS = core("ConfigMap", "roots", data={"ca.crt": CERTIFICATE})
OLD, NEW = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
POLICIES: dict[str, tuple[list[Plain], str, str]] = {
    "well": ([tls_policy("p")], "Accepted", "ResolvedRefs"),
    "roots": ([tls_policy("p", **authorities("roots"))], "Accepted", "ResolvedRefs"),
    "gone": ([tls_policy("p", **authorities("gone"))], "-NoValidCACertificate", "-InvalidCACertificateRef"),
    "kind": ([tls_policy("p", **authorities("roots", "Moon"))], "-NoValidCACertificate", "-InvalidKind"),
    "known": ([tls_policy("p", wellKnownCACertificates="Moon")], "-Invalid", "ResolvedRefs"),
    "no-service": ([tls_policy("p", {"name": "gone"})], "-TargetNotFound", "ResolvedRefs"),
    "no-port": ([tls_policy("p", {"sectionName": "gone"})], "-TargetNotFound", "ResolvedRefs"),
    "port": ([tls_policy("p", {"sectionName": "http"})], "Accepted", "ResolvedRefs"),
    "older": ([tls_policy("p", created=OLD), tls_policy("q", created=NEW)], "Accepted", "ResolvedRefs"),
    "newer": ([tls_policy("p", created=NEW), tls_policy("q", created=OLD)], "-Conflicted", "ResolvedRefs"),
    "other": ([tls_policy("p", {"sectionName": "http"}), tls_policy("a", created=OLD)], "Accepted", "ResolvedRefs"),
}


@pytest.mark.parametrize("case", POLICIES)
def test_policies(case: str) -> None:
    policies, accepted, resolved = POLICIES[case]
    mesh = graph(gateway(listener()), route(), WEB, ROOTS, *policies)
    found = mesh.get(call(policy_status, ObjectRef(API_GROUP, "BackendTLSPolicy", "infra", "p")))
    assert found[-1].controller == MESH_CONTROLLER
    for each in found:
        assert (said(each.conditions)["Accepted"], said(each.conditions)["ResolvedRefs"]) == (accepted, resolved)
    reached = [each.parent.name for each in found if each.parent.kind == "Gateway"]
    assert reached == ([] if case == "no-service" else ["edge"])


def test_a_policy_for_a_port_beats_one_for_all_and_a_bad_one_blocks() -> None:
    service_ref = ObjectRef("", "Service", "infra", "web")

    def names(*policies: Plain, port: str = "http") -> set[str]:
        found = graph(WEB, ROOTS, *policies).get(call(backend_tls, service_ref, port))
        return {name for policy in found for name in policy.names}

    every = tls_policy("all", created=OLD, hostname="all.example", wellKnownCACertificates="System")
    one = tls_policy("one", {"sectionName": "http"}, hostname="one.example", wellKnownCACertificates="System")
    assert names(every) == {"all.example"}
    assert names(every, one) == {"one.example"}
    assert names(every, one, port="else") == {"all.example"}
    assert names(tls_policy("bad", hostname="bad.example", **authorities("gone"))) == {"nobody.invalid"}
    assert names() == set()


def test_findings_say_where() -> None:
    rules = rule({"name": "gone", "port": 80})
    builder = Builder()
    plain = (*CLASSES, gateway(listener(), listener("u", "UDP")), route(rules=rules))
    found = analyze(applied(builder, [made(each) for each in plain]).snapshot, builder.problems)
    assert [(each.at.dotted, each.code) for each in found] == [
        ("spec.listeners[1].protocol", "gateway-api.not-accepted"),
        ("spec.rules[0].backendRefs[0]", "gateway-api.unresolved"),
    ]


@pytest.mark.parametrize(("export_to", "said"), [([], "takes the place of"), (["."], "does not hold for callers")])
def test_a_virtual_service_beside_a_route(export_to: list[str], said: str) -> None:
    spec = {"hosts": ["web"], "exportTo": export_to, "http": [{"route": [{"destination": {"host": "web"}}]}]}
    metadata = {"name": "v", "namespace": "infra"}
    virtual = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}
    inside = route(parentRefs=[{"group": "", "kind": "Service", "name": "web"}])
    builder = Builder()
    found = analyze(applied(builder, [made(each) for each in (WEB, virtual, inside)]).snapshot, builder.problems)
    assert [each.code for each in found] == ["gateway-api.beside-virtual-service"]
    assert said in found[0].message


def listener_set(name: str, *listeners: Plain, namespace: str = "far", **more: Any) -> Plain:
    parent = {"name": "edge", "namespace": "infra"}
    return api("ListenerSet", name, namespace, parentRef=parent, listeners=list(listeners), **more)


def of_set(*plain: Plain, name: str = "more", namespace: str = "far", programmed: bool = True) -> GatewayStatus | None:
    ref = ObjectRef(API_GROUP, "ListenerSet", namespace, name)
    found: GatewayStatus | None = graph(*plain).get(call(listener_set_status, ref, programmed))
    return found


ALLOWING: Plain = {"allowedListeners": {"namespaces": {"from": "All"}}}
OTHER_HOST = listener(hostname="a.test")


def test_listener_sets_must_be_let_in() -> None:
    for allowing, wanted in (({}, "-NotAllowed"), (ALLOWING, "Accepted")):
        found = of_set(gateway(listener(), **allowing), listener_set("more", OTHER_HOST))
        assert found is not None
        assert said(found.conditions)["Accepted"] == wanted
        assert status(gateway(listener(), **allowing), listener_set("more", OTHER_HOST)).sets == bool(allowing)
    assert of_set(gateway(listener(), gateway_class="other", **ALLOWING), listener_set("more", OTHER_HOST)) is None


def test_what_a_listener_set_adds_stands_in_nobodys_way() -> None:
    first = listener_set("first", listener(hostname="b.test"), created="2026-01-01T00:00:00Z")
    later = listener_set("more", listener(), listener("b", hostname="b.test"), listener("c", hostname="c.test"))
    later["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    plain = (gateway(listener(), **ALLOWING), later, first)
    found = of_set(*plain)
    assert found is not None
    assert said(found.conditions) == {"Accepted": "Accepted", "Programmed": "Programmed"}
    assert [said(each.conditions)["Conflicted"] for each in found.listeners] == [
        "HostnameConflict",
        "HostnameConflict",
        "-NoConflicts",
    ]
    assert said(found.listeners[0].conditions)["Programmed"] == "-HostnameConflict"
    assert said(the_listener(*plain).conditions)["Conflicted"] == "-NoConflicts"
    alone = of_set(gateway(listener(), **ALLOWING), listener_set("more", listener()))
    assert alone is not None
    assert said(alone.conditions) == {"Accepted": "-ListenersNotValid", "Programmed": "-ListenersNotValid"}


def test_of_what_a_listener_set_adds_what_is_in_conflict_stands_in_nobodys_way() -> None:
    added = listener_set(
        "more", listener("a", hostname="a.test"), listener("b", "TCP"), listener("c", hostname="c.test")
    )
    found = of_set(gateway(listener(), **ALLOWING), added)
    assert found is not None
    conflicted = [said(each.conditions)["Conflicted"] for each in found.listeners]
    assert conflicted == ["-NoConflicts", "ProtocolConflict", "-NoConflicts"]


def test_clients_of_added_listeners_prove_what_the_gateway_says() -> None:
    validating = {"frontend": {"default": {"validation": {"caCertificateRefs": [
        {"group": "", "kind": "ConfigMap", "name": "gone"}]}}}}  # fmt: skip
    added = listener_set("more", listener("s", "HTTPS", 443, tls=TLS), namespace="infra")
    found = of_set(gateway(listener(), tls=validating, **ALLOWING), added, secret("cert"), namespace="infra")
    assert found is not None
    assert said(found.listeners[0].conditions)["Accepted"] == "-NoValidCACertificate"


def test_certificates_of_listener_sets_are_of_their_own_namespace() -> None:
    added = listener_set("more", listener("s", "HTTPS", 443, tls=TLS))
    doors = gateway(listener(), **ALLOWING)
    for held, wanted in ((secret("cert", "far"), "ResolvedRefs"), (secret("cert"), "-InvalidCertificateRef")):
        found = of_set(doors, added, held)
        assert found is not None
        assert said(found.listeners[0].conditions)["ResolvedRefs"] == wanted


def test_routes_of_a_listener_set_are_not_its_gateways() -> None:
    parents = [{"kind": "ListenerSet", "name": "more", "namespace": "far"}]
    everybody: Plain = {"allowedRoutes": {"namespaces": {"from": "All"}}}
    added = listener_set("more", listener(hostname="a.test", **everybody))
    plain = (gateway(listener(), **ALLOWING), added, route(parentRefs=parents), WEB)
    found = of_set(*plain)
    assert found is not None
    assert (found.listeners[0].attached_routes, the_listener(*plain).attached_routes) == (1, 0)
    mesh = graph(*plain)
    (parent,) = mesh.get(call(route_status, ObjectRef(API_GROUP, "HTTPRoute", "infra", "r")))
    assert said(parent.conditions)["Accepted"] == "Accepted"
    unknown = graph(gateway(listener()), added, route(parentRefs=parents), WEB)
    (parent,) = unknown.get(call(route_status, ObjectRef(API_GROUP, "HTTPRoute", "infra", "r")))
    assert said(parent.conditions)["Accepted"] == "-NoMatchingParent"


def test_backends_that_are_missing_are_named() -> None:
    gone = route(rules=[{"backendRefs": [{"name": "gone", "port": 80}]}])
    other = route(rules=[{"backendRefs": [{"name": "web", "port": 81}]}])
    for wanted, of in (("Service gone in namespace infra does not exist", gone),
                       ("Service web in namespace infra has no port 81", other)):  # fmt: skip
        (parent,) = graph(gateway(listener()), of, WEB).get(
            call(route_status, ObjectRef(API_GROUP, "HTTPRoute", "infra", "r"))
        )
        (said_of_it,) = (each for each in parent.conditions if each.type == "ResolvedRefs")
        assert (said_of_it.reason, said_of_it.message) == ("BackendNotFound", wanted)


def test_a_gateway_that_is_wrong_is_not_also_said_to_be_missing() -> None:
    snapshot = graph(route(), WEB).snapshot
    assert [each.code for each in analyze(snapshot, ())] == ["gateway-api.parent-unknown"]
    wrong = Problem(FieldRef(GATEWAY, ("spec",)), "field.missing", "must be there")
    assert [each.code for each in analyze(snapshot, (wrong,))] == ["field.missing"]
