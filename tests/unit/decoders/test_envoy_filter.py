"""EnvoyFilters as they are read: what is refused, where, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.model.patch import EnvoyFilter, PatchesFor
from xds.model.snapshot import Table

EXTENSIONS = "type.googleapis.com/envoy.extensions."
LUA = {"name": "lua", "typed_config": {"@type": EXTENSIONS + "filters.http.lua.v3.Lua"}}
Plain = dict[str, Any]


def patch(to: str, operation: str, value: Plain | None = None, **match: Any) -> Plain:
    change = {"operation": operation, **({"value": value} if value is not None else {})}
    return {"applyTo": to, "match": match, "patch": change}


def decoded(*patches: Plain, **spec: Any) -> Builder:
    builder = Builder()
    applied(
        builder,
        [
            made(
                {
                    "apiVersion": "networking.istio.io/v1alpha3",
                    "kind": "EnvoyFilter",
                    "metadata": {"name": "f", "namespace": "shop"},
                    "spec": {"configPatches": list(patches), **spec},
                }
            )
        ],
    )
    return builder


def rows(builder: Builder) -> tuple[PatchesFor, ...]:
    found: tuple[PatchesFor, ...] = builder.snapshot.rows(Table.ENVOY_FILTER, "shop")
    return found


AT = "EnvoyFilter shop/f spec.configPatches[0]."


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (patch("CLUSTER", "REPLACE", {"name": "x"}), AT + "patch.operation: must be one that CLUSTER has"),
        (patch("ROUTE_CONFIGURATION", "ADD", {"name": "x"}), AT + "patch.operation: must be one that"),
        (patch("CLUSTER", "MERGE", {"name": "x"}, listener={}), AT + "match.listener: says nothing of CLUSTER"),
        (patch("CLUSTER", "MERGE", {}), AT + "patch.value: must say what to merge"),
        (patch("CLUSTER", "ADD", {"type": "STATIC"}), AT + "patch.value.name: must be set"),
        (patch("CLUSTER", "ADD", {"name": "outbound|80||web"}), AT + "patch.value.name: must be a name that the mesh"),
        (patch("LISTENER", "ADD", {"name": "0.0.0.0_80"}), AT + "patch.value.name: must be a name that the mesh"),
        (patch("EXTENSION_CONFIG", "ADD", {"name": "a/b"}), AT + "patch.value.name: must be a name that the mesh"),
        (patch("CLUSTER", "MERGE", {"connect_timeout": 3}), AT + "patch.value"),
        (patch("CLUSTER", "MERGE", {"lb_policy": "BEST"}), AT + "patch.value"),
        (patch("HTTP_FILTER", "ADD", {"name": "x", "typed_config": {"@type": "x/istio.y"}}), "is istio.y"),
        (patch("BOOTSTRAP", "MERGE", {"x": 1}), AT + "applyTo: is not patched while"),
        (patch("CLUSTER", "MERGE", {"name": "x"}, context="WAYPOINT"), AT + "match.context: is nobody's"),
        (patch("CLUSTER", "MERGE", {"name": "x"}, proxy={"proxyVersion": "("}), AT + "match.proxy.proxyVersion: must"),
        (patch("CLUSTER", "MERGE", {"name": "x"}, proxy={"metadata": {"X": "y"}}), AT + "match.proxy.metadata.X: must"),
        (
            patch("HTTP_ROUTE", "REMOVE", routeConfiguration={"gateway": "a/b"}),
            "routeConfiguration.gateway: tells HTTPS",
        ),
    ],
)
def test_what_cannot_be_is_a_problem(given: Plain, problem: str) -> None:
    builder = decoded(given)
    assert [str(each) for each in builder.problems if problem in str(each)], builder.problems


def test_a_selector_excludes_targets() -> None:
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "g"}
    codes = [each.code for each in decoded(workloadSelector={"labels": {"a": "b"}}, targetRefs=[target]).problems]
    assert codes == ["envoy-filter.selector-and-target"]
    service = {"kind": "Service", "name": "s"}
    assert [each.code for each in decoded(targetRefs=[service]).problems] == ["envoy-filter.target"]


def test_a_filter_says_which_traffic_it_is_for() -> None:
    (row,) = rows(decoded(patch("NETWORK_FILTER", "ADD", {"name": "x"}, context="SIDECAR_OUTBOUND"), priority=-3))
    assert (row.priority, row.inbound, row.outbound, row.gateway) == (-3, False, True, False)
    # Its content stands in the proxy's own layer.
    (row,) = rows(decoded(patch("HTTP_FILTER", "ADD", LUA, context="SIDECAR_OUTBOUND")))
    assert (row.inbound, row.outbound) == (True, True)


def test_a_filter_with_a_name_of_ours_keeps_its_content() -> None:
    for name, apart in (("lua", True), ("rate-limit", False), ("web/x", False)):
        (row,) = rows(decoded(patch("HTTP_FILTER", "ADD", {**LUA, "name": name}, context="SIDECAR_OUTBOUND")))
        assert row.inbound is apart


def test_patches_that_ask_other_things_of_proxies_are_rows_of_their_own() -> None:
    named = {"metadata": {"NAME": "web-1"}}
    builder = decoded(patch("CLUSTER", "REMOVE"), patch("CLUSTER", "REMOVE", proxy=named))
    assert [sorted(row.proxy.metadata) for row in rows(builder)] == [[], [("NAME", "web-1")]]
    (author,) = builder.snapshot.rows(Table.PATCHES, rows(builder)[0].of)
    assert isinstance(author, EnvoyFilter)
    assert len(author.patches) == 2


def test_so_many_patches_that_they_would_hold_up_all_others_are_refused() -> None:
    patches = [patch("HTTP_FILTER", "INSERT_FIRST", {**LUA, "name": f"lua-{number}"}) for number in range(257)]
    builder = decoded(*patches)
    assert [problem.code for problem in builder.problems] == ["envoy-filter.patches"]
    assert not rows(builder)
    assert len(rows(decoded(*patches[:256]))) == 1
