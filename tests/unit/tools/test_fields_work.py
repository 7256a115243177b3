"""What docs/api.md says *works* does: without the field, or with another value, Envoy is sent something else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.objects import applied, made
from tools import fields
from xds.callers.caller import Caller
from xds.decoders.build import Builder
from xds.machines.machines import NAME, Machines
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef, Origin
from xds.model.security import KeySet
from xds.model.snapshot import Input, Snapshot, Table
from xds.translators.translate import translate
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view

FOLDER = Path(__file__).parent / "every_field"
WORKING = [row.path for kind in fields.KINDS for row in fields.rows(kind) if row.status == fields.WORKS]
PROXIES = (
    Proxy("near", namespace="shop", name="web-1", labels=labels({"app": "web"}), identity=Identity.ADS),
    Proxy("other", namespace="shop", name="catalog-1", labels=labels({"app": "catalog"})),
    Proxy("far", namespace="other", name="far-1"),
    Proxy("edge", "router", namespace="shop", name="edge-1", labels=labels({"istio": "edge"}), identity=Identity.ADS),
    Proxy("side", "router", namespace="shop", name="side-1", labels=labels({"istio": "side"})),
)
# What is fetched for fields that say where.
KEYS = '{"keys":[{"e":"AQAB","kty":"RSA","n":"AQAB"}]}'
URI = "https://issuer.example/keys"
FETCHED = {Input(Table.KEY_SET, URI): (KeySet(URI, KEYS),)}
# Other values of fields that must be there, where one that is longer or larger by one is none.
OTHERWISE: dict[str, Any] = {
    "http[].directResponse.body.bytes": "dGVhcw==",
    "http[].fault.abort.grpcStatus": "INTERNAL",
    "http[].fault.delay.fixedDelay": "2s",
    "tls[].match[].sniHosts[]": ["c.tls.example"],
    "trafficPolicy.loadBalancer.consistentHash.maglev.tableSize": 257,
    "trafficPolicy.loadBalancer.warmup.duration": "20s",
    "ports[].name": "tcp-other",
    "rules[].when[].key": "remote.ip",
    "resolution": "DNS",
    "endpoints[].address": "192.0.2.9",
    "limits[].by[].caller": "address",
    "limits[].requests": 50,
    "limits[].burst": 100,
    "share": "PROXY",
    "configPatches[].applyTo": "CLUSTER",
    "configPatches[].patch.operation": "INSERT_FIRST",
    "servers[].port.protocol": "TCP",
    "servers[].tls.mode": "OPTIONAL_MUTUAL",
    "defaultConfig.gatewayTopology.forwardClientCertDetails": "APPEND_FORWARD",
    "egress[].port.protocol": "TCP",
    "metrics[].overrides[].match.metric": "TCP_SENT_BYTES",
    "metrics[].overrides[].tagOverrides.*.operation": "UPSERT",
    "tracing[].customTags.*.header.name": "x-other",
    "ingress[].port.protocol": "TCP",
    "ingress[].tls.mode": "OPTIONAL_MUTUAL",
}
# Fields that must be there and have one value only: what may stand in their place.
INSTEAD = {
    "trafficPolicy.loadBalancer.consistentHash.useSourceIp": {"httpHeaderName": "x-user"},
    "trafficPolicy.loadBalancer.localityLbSetting.distribute[].to.*": {"r2": 100},
}
Place = tuple[Any, str | int]
Given = list[dict[str, Any]]


class Case(NamedTuple):
    """One document of every_field/: what the user wrote, and what Envoy is sent for it."""

    about: str
    given: Given
    sent: frozenset[tuple[str, str, str, bytes]]


@cache
def cases() -> tuple[Case, ...]:
    """All documents of the folder but the world they stand in."""
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.stem != "world":
            for case in yaml.safe_load_all(path.read_text()):
                given = [_with_version(plain) for plain in case["given"]]
                found.append(Case(case["about"], given, sent(given)))
    return tuple(found)


def _with_version(plain: dict[str, Any]) -> dict[str, Any]:
    groups = {"EndpointSlice": "discovery.k8s.io/v1", "MeshConfig": "mesh.istio.io/v1alpha1"}
    security = ("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication")
    groups |= dict.fromkeys(security, "security.istio.io/v1")
    groups["Telemetry"] = "telemetry.istio.io/v1"
    groups["EnvoyFilter"] = "networking.istio.io/v1alpha3"
    groups["RateLimit"] = "networking.plait.dev/v1alpha1"
    default = "v1" if plain["kind"] in ("Service", "Pod", "Secret") else "networking.istio.io/v1"
    return {"apiVersion": groups.get(plain["kind"], default), **plain}


@cache
def world() -> tuple[dict[str, Any], ...]:
    """The objects that every case stands among."""
    return tuple(_with_version(plain) for plain in yaml.safe_load_all((FOLDER / "world.yaml").read_text()))


def sent(given: Given) -> frozenset[tuple[str, str, str, bytes]]:
    """What each proxy is sent. AssertionError when an object has a fault."""
    builder = Builder()
    change = applied(builder, [_made(plain) for plain in (*world(), *given)])
    assert not [problem for problem in builder.problems if problem.severity.value == "error"], builder.problems
    if groups := list(change.snapshot.keys(Table.WORKLOAD_GROUP)):
        change = applied(builder, [_joined(change.snapshot, ref) for ref in groups])
    graph = Graph(change.snapshot.changed(FETCHED)[0])
    return frozenset(
        (proxy.id, *translate(spec))
        for proxy in PROXIES
        for root in graph.get(call(proxy_view, proxy))
        for group in graph.get(root)
        for leaf in graph.get(group)
        for spec in graph.get(leaf)
    )


def _made(plain: dict[str, Any]) -> Object[Any]:
    """The object of a manifest, which may say of which remote cluster it is."""
    found = made({key: value for key, value in plain.items() if key != "cluster"})
    return replace(found, ref=replace(found.ref, cluster=plain.get("cluster", "")))


def _joined(snapshot: Snapshot, group: ObjectRef) -> Object[Any]:
    """The entry of a machine that joins the group."""
    account = snapshot.rows(Table.WORKLOAD_GROUP, group)[0].service_account or "default"
    of_group: dict[str, Any] = {"namespace": group.namespace, "group": group.name, "service_account": account}
    machines = Machines(lambda: snapshot)
    caller = Caller("cluster.local", group.namespace, account)
    machines.came(machines.member(Proxy("vm", addresses=("192.0.2.8",), **of_group), caller))
    ((ref, entry),) = machines.entries.items()
    return Object(ref, entry, Origin(NAME))


def places(plain: Any, steps: list[str]) -> Iterator[Place]:
    """Where a field stands in a manifest: what holds it, and its key there."""
    step, *rest = steps
    name = step.removesuffix("[]")
    if step == "*":
        yield from ((plain, key) for key in plain)
    elif not isinstance(plain, dict) or name not in plain:
        return
    elif not rest:
        yield plain, name
    elif step.endswith("[]"):
        for item in plain[name]:
            yield from places(item, rest)
    else:
        yield from places(plain[name], rest)


def matters(path: str, case: Case) -> bool | None:
    """Whether what is sent depends on the field, somewhere in the case; None when the case does not have it."""
    kind, _, field = path.partition(".")
    steps = field.removeprefix("spec.").split(".")
    answers = []
    for index, plain in enumerate(case.given):
        count = len(list(places(plain.get("spec"), steps))) if plain["kind"] == kind else 0
        answers += [_differs(case, index, steps, number) for number in range(count)]
    return any(answers) if answers else None


def _differs(case: Case, index: int, steps: list[str], number: int) -> bool:
    for change in (_removed, _replaced):
        given = copy.deepcopy(case.given)
        holder, key = list(places(given[index]["spec"], steps))[number]
        change(holder, key, ".".join(steps))
        try:
            if sent(given) != case.sent:
                return True
        except AssertionError:
            continue  # it must be there
    return False


def _removed(holder: Any, key: str | int, _field: str) -> None:
    del holder[key]


def _replaced(holder: Any, key: str | int, field: str) -> None:
    value = holder[key]
    if field in INSTEAD:
        del holder[key]
        holder.update(INSTEAD[field])
    elif field in OTHERWISE:
        holder[key] = OTHERWISE[field]
    elif isinstance(value, list):
        holder[key] = [f"{each}x" for each in value]
    else:
        holder[key] = value + 1 if isinstance(value, int) else f"{value}x"


@pytest.mark.parametrize("path", WORKING)
def test_a_field_that_works_changes_what_envoy_is_sent(path: str) -> None:
    answers = {case.about: answer for case in cases() if (answer := matters(path, case)) is not None}
    assert answers, f"no case in {FOLDER.name}/ has {path}"
    assert any(answers.values()), f"{path} changes nothing in {', '.join(answers)}"
