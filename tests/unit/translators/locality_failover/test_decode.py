"""LocalityLbSetting, read and merged."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.traffic_policy import mesh_config, read, traffic_policy
from xds.translators.locality_failover.decode import locality_failover, mesh_locality_failover
from xds.translators.locality_failover.policy import LocalityPreference, Shares, ZoneAware

Plain = dict[str, Any]


def preference(setting: Plain, **others: Plain) -> tuple[Any, list[str]]:
    plain = {"loadBalancer": {"localityLbSetting": setting}, **others}
    policy, problems = read(locality_failover, traffic_policy(plain))
    return policy, [each.removeprefix("loadBalancer.localityLbSetting") for each in problems]


def test_absent_is_no_policy() -> None:
    assert read(locality_failover, traffic_policy({})) == (None, [])
    assert read(locality_failover, traffic_policy({"loadBalancer": {"simple": "RANDOM"}})) == (None, [])


def test_switch_alone_needs_no_warning() -> None:
    assert preference({"enabled": False}) == (LocalityPreference(enabled=False), [])


def test_shares() -> None:
    policy, problems = preference({"distribute": [{"from": "r1/*", "to": {"r2": 20, "r1": 80}}]})
    assert policy.distribute == (Shares("r1/*", (("r1", 80), ("r2", 20))),)
    assert problems == []


@pytest.mark.parametrize("to", [{"r1": 50, "r2": 40}, {"r1": 100, "r2": 0}, {}])
def test_shares_must_add_up(to: dict[str, int]) -> None:
    assert preference({"distribute": [{"from": "r1", "to": to}]})[1][-1] == ".distribute[0].to locality.shares"


def test_callers_once() -> None:
    twice = [{"from": "r1", "to": {"r1": 100}}, {"from": "r1", "to": {"r2": 100}}]
    assert preference({"distribute": twice})[1][-1] == ".distribute[1].from locality.from-twice"


@pytest.mark.parametrize("pair", [{"from": "a", "to": "a"}, {"from": "a"}, {"from": "a", "to": "b/*"}])
def test_failover_names_two_regions(pair: Plain) -> None:
    problems = preference({"failover": [pair]}, outlierDetection={})[1]
    assert problems == [".failover[0] locality.failover"]


def test_failover_needs_outlier_detection() -> None:
    assert preference({"failoverPriority": ["a"]})[1] == [" locality.needs-outliers"]


def test_priorities_are_labels() -> None:
    problems = preference({"failoverPriority": ["a", "b=c", "=c"]}, outlierDetection={})[1]
    assert problems == [".failoverPriority[2] locality.label"]


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ({}, ZoneAware()),
        ({"enabled": False}, None),
        (
            {"minClusterSize": 3, "failover": [{"from": "a", "to": "b"}], "failoverPriority": ["app"]},
            ZoneAware((("a", "b"),), ("app",), 3),
        ),
    ],
    ids=str,
)
def test_zone_aware(setting: Plain, wanted: ZoneAware | None) -> None:
    policy, problems = read(locality_failover, traffic_policy({"loadBalancer": {"zoneAwareLbSetting": setting}}))
    assert (policy.zones if policy is not None else None, problems) == (wanted, [])


def test_zone_aware_excludes_other_preferences() -> None:
    both = {"localityLbSetting": {"failoverPriority": ["a"]}, "zoneAwareLbSetting": {"failoverPriority": ["=b"]}}
    _, problems = read(locality_failover, traffic_policy({"loadBalancer": both, "outlierDetection": {}}))
    assert problems == [
        "loadBalancer.zoneAwareLbSetting.failoverPriority[0] locality.label",
        "loadBalancer.zoneAwareLbSetting zone-aware.beside-locality",
    ]


def test_mesh_and_merge() -> None:
    mesh, _ = read(mesh_locality_failover, mesh_config({"localityLbSetting": {"enabled": True}}))
    rule = LocalityPreference(failover=(("a", "b"),))
    assert mesh == LocalityPreference(enabled=True, of_mesh=True)
    assert rule.merge(mesh) == LocalityPreference(True, failover=(("a", "b"),))
    assert LocalityPreference(enabled=False).merge(rule.merge(mesh)) == LocalityPreference(
        False, failover=(("a", "b"),)
    )
