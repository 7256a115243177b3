"""How messages differ, as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from xds.planner.fields import field_changes

CLUSTER = {"@type": "cluster"}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a changed"]),
        ({"a": 1}, {"b": 1}, ["a went", "b came"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 2, "c": 2}}, ["a.b changed"]),
        ({"a": {"x.y|z": 1}}, {"a": {"x.y|z": 2}}, ["a[x.y|z] changed"]),
        (
            {"a": [{"name": "x", "v": 1}]},
            {"a": [{"name": "w"}, {"name": "x", "v": 2}]},
            ["a[x].v changed", "a[w] came"],
        ),
        ({"a": [{"name": "x"}, {"name": "y"}]}, {"a": [{"name": "y"}, {"name": "x"}]}, ["a changed"]),
        ({"a": [{"v": 1}, {"v": 2}]}, {"a": [{"v": 1}, {"v": 3}]}, ["a[1].v changed"]),
        ({"a": [1, 2]}, {"a": [1]}, ["a changed"]),
        ({"c": {"@type": "x", "v": 1}}, {"c": {"@type": "y", "v": 1}}, ["c changed"]),
    ],
)
def test_differences(before: dict[str, Any], after: dict[str, Any], said: list[str]) -> None:
    assert [str(change) for change in field_changes(before, after)] == said


def test_endpoints_are_told_apart_by_address() -> None:
    def endpoint(address: str, weight: int) -> dict[str, Any]:
        where = {"socket_address": {"address": address, "port_value": 80}}
        return {"endpoint": {"address": where}, "load_balancing_weight": weight}

    before = {"lb_endpoints": [endpoint("10.0.0.1", 1), endpoint("10.0.0.2", 1)]}
    after = {"lb_endpoints": [endpoint("10.0.0.2", 3)]}
    assert [str(change) for change in field_changes(before, after)] == [
        "lb_endpoints[10.0.0.1:80] went",
        "lb_endpoints[10.0.0.2:80].load_balancing_weight changed",
    ]
