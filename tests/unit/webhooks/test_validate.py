"""What may be stored: an object by itself, in the mesh, and one that was bad before."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.objects import applied, made
from tests.unit.webhooks.reviews import ROUTES, body, virtual_service
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.problem import Severity
from xds.model.snapshot import Snapshot
from xds.webhooks.review import decode
from xds.webhooks.validate import Surroundings, Verdict, validate
from xds.webhooks.validating import message, validating

BAD = virtual_service({"hosts": ["db"], "http": [{"retries": {"attempts": -1}, "route": []}]})
OTHER_BAD = virtual_service({"hosts": ["db"], "http": [{"retries": {"attempts": -2}, "route": []}]})


def service(name: str, ports: int = 1) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop"}
    spec = {"ports": [{"port": 80 + number, "name": f"http-{number}"} for number in range(ports)]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def snapshot(*objects: dict[str, Any]) -> Snapshot:
    return applied(Builder(), [made(plain) for plain in objects]).snapshot


def judged(plain: dict[str, Any] | None, *others: dict[str, Any], **request: Any) -> Verdict:
    return validate(decode(body(plain, **request), {}).request, Surroundings(snapshot(*others)))


def codes(verdict: Verdict) -> list[str]:
    return [each.code for each in (*verdict.errors, *verdict.remarks)]


def test_faults_of_shape_and_of_meaning_are_errors_in_the_words_of_analyze() -> None:
    found = judged(BAD)
    assert str(found.errors[0]) == (
        "VirtualService shop/reviews spec.http[0].retries.attempts: "
        "must be a whole number of at least 0, is -1 [field.integer]"
    )
    route = {"route": [{"destination": {"host": "db"}, "weight": 1}], "redirect": {"uri": "/"}}
    found = judged(virtual_service({"hosts": ["db"], "http": [route]}), service("db"))
    assert [each.severity for each in found.errors] == [Severity.ERROR]
    assert found.remarks == ()


def test_all_problems_are_in_one_message() -> None:
    spec = {"hosts": ["db"], "http": [{"retries": {"attempts": -1, "perTryTimeout": "1"}, "rout": []}]}
    lines = message(judged(virtual_service(spec)).errors).splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["[field.integer]", "[field.duration]", "[field.unknown]"]
    routes = [{"retries": {"attempts": -1}} for _ in range(90)]
    assert message(judged(virtual_service({"http": routes})).errors).endswith("\nand 40 more")


def test_what_is_wrong_between_objects_warns_as_they_may_come_in_any_order() -> None:
    spec = {"hosts": ["db"], "http": [{"route": [{"destination": {"host": "db", "subset": "v2"}}]}]}
    verdict = judged(virtual_service(spec), service("db"))
    assert (verdict.errors, codes(verdict)) == ((), ["destination.subset-without-rule"])
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"host": "db", "subsets": [{"name": "v2", "labels": {"a": "b"}}]},
    }
    assert judged(virtual_service(spec), service("db"), rule) == Verdict()


def test_they_are_those_that_analyze_would_find_were_it_stored() -> None:
    before = virtual_service({"hosts": ["db"], "http": ROUTES}, creationTimestamp="2026-01-01T00:00:00Z")
    rival = virtual_service({"hosts": ["db"], "http": ROUTES}, name="rival", creationTimestamp="2025-01-01T00:00:00Z")
    after = virtual_service({"hosts": ["db", "other"], "http": ROUTES}, creationTimestamp="2026-01-01T00:00:00Z")
    found = judged(after, service("db"), rival, before, operation="UPDATE", oldObject=before)
    wanted = analyze(snapshot(service("db"), rival, after), ())
    assert [(each.at, each.code) for each in found.remarks] == [
        (each.at, each.code) for each in sorted(wanted, key=lambda each: each.at.dotted)
    ]
    assert codes(found) == ["virtual-service.host-twice", "virtual-service.host-unknown"]


def test_what_it_was_before_is_no_rival_of_it() -> None:
    before = virtual_service({"hosts": ["db"], "http": ROUTES})
    after = virtual_service({"hosts": ["db"], "http": [{**ROUTES[0], "name": "all"}]})
    assert judged(after, service("db"), before, operation="UPDATE", oldObject=before) == Verdict()


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "UPDATE", "oldObject": virtual_service(BAD["spec"], labels={"a": "b"}, finalizers=["x"])},
        {"operation": "UPDATE", "oldObject": {**BAD, "status": {"seen": 1}}},
        {"operation": "UPDATE", "oldObject": OTHER_BAD, "subResource": "status"},
        {"operation": "DELETE", "oldObject": OTHER_BAD},
        {"operation": "CONNECT"},
    ],
)
def test_what_changes_nothing_of_what_it_says_is_allowed(request_: dict[str, Any]) -> None:
    assert judged(BAD, **request_) == Verdict()


def test_what_is_being_deleted_may_be_anything() -> None:
    going = virtual_service(BAD["spec"], deletionTimestamp="2026-01-01T00:00:00Z")
    assert judged(going, operation="UPDATE", oldObject=OTHER_BAD) == Verdict()


def test_another_fault_of_what_was_bad_before_is_refused() -> None:
    assert codes(judged(BAD, operation="UPDATE", oldObject=OTHER_BAD))[0] == "field.integer"


def test_a_name_that_the_api_server_will_make_is_no_fault() -> None:
    plain = virtual_service({"hosts": ["db"], "http": ROUTES})
    plain["metadata"] = {"generateName": "reviews-", "namespace": "shop"}
    assert judged(plain, service("db"), name="") == Verdict()


def test_kinds_that_are_not_read_warn() -> None:
    plain = {**virtual_service(), "kind": "ProxyConfig"}
    verdict = judged(plain)
    assert verdict.errors == ()
    assert "ProxyConfig of networking.istio.io/v1 is not read yet and has no effect" in str(verdict.remarks[0])


def config_map(mesh: str, name: str = "istio") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}}


def test_the_mesh_configuration_in_its_config_map_is_judged() -> None:
    assert judged(config_map("trustDomain: a.b\n")) == Verdict()
    assert judged(config_map("trustDomain: [", name="other")) == Verdict()
    for text, at, code in (
        ("trustDomain: [", "data.mesh", "yaml.syntax"),
        ("connectTimeout: soon", "data.mesh.connectTimeout", "field.duration"),
        ("trustDomain: a/b", "data.mesh.trustDomain", "mesh.trust-domain"),
    ):
        found = judged(config_map(text)).errors[0]
        assert (str(found.at), found.code) == (f"ConfigMap istio-system/istio {at}", code)


def test_what_is_nested_too_deep_is_refused() -> None:
    deep: Any = None
    for _ in range(400):
        deep = {"a": [deep]}
    assert codes(judged(virtual_service({"hosts": ["db"], "http": [deep]})))[0] in {"object.nesting", "field.unknown"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["VirtualService", "DestinationRule", "ServiceEntry", "AuthorizationPolicy", "ConfigMap", "X", ""]),
    st.dictionaries(st.sampled_from(["metadata", "spec", "apiVersion", "kind", "data"]), _JSON),
    st.dictionaries(st.sampled_from(["hosts", "http", "host", "rules", "ports"]), _JSON),
)
def test_any_object_is_judged(kind: str, fields: dict[str, Any], spec: dict[str, Any]) -> None:
    group = (
        "security.istio.io" if kind == "AuthorizationPolicy" else "" if kind == "ConfigMap" else "networking.istio.io"
    )
    plain = {"metadata": {"name": "a", "namespace": "shop"}, "spec": spec, **fields}
    request = json.loads(body({}))["request"]
    request |= {"object": plain, "kind": {"group": group, "version": "v1", "kind": kind}, "namespace": "shop"}
    whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    answer = validating(lambda: Surroundings(snapshot()))
    assert answer(decode(json.dumps(whole).encode(), {})).code in {200, 422}
