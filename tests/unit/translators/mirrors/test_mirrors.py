"""Reading mirrors, and finding their clusters."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.route_policies import forwarding
from xds.model.policy import Policies, Routed
from xds.model.quantity import ALWAYS, Percent
from xds.model.route import Destination
from xds.translators.mirrors import Mirror, Mirrors

C = Destination("c.shop.svc.cluster.local")


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({}, ALWAYS),
        ({"mirrorPercentage": {"value": 0.5}, "mirrorPercent": 90}, Percent.of(0.5)),
        ({"mirrorPercent": 20}, Percent.of(20)),
        ({"mirror_percent": 30}, Percent.of(30)),
    ],
)
def test_share(fields: dict[str, Any], share: Percent) -> None:
    assert forwarding(mirror={"host": "c"}, **fields).only(Mirrors) == Mirrors((Mirror(C, share),))


def test_none_of_the_requests() -> None:
    assert forwarding(mirror={"host": "c"}, mirrorPercentage={"value": 0}).only(Mirrors).mirrors == ()


@pytest.mark.parametrize("field", ["mirrorPercent", "mirror_percent"])
def test_a_share_of_nothing(field: str) -> None:
    assert forwarding(**{field: 5}).findings == [f"{field}: mirrors.no-mirror?"]


def test_clusters_are_found_by_the_view() -> None:
    mirrors = Mirrors((Mirror(C), Mirror(Destination("d.example", "v1", 443))))
    assert Policies([mirrors]).that(Routed) == (mirrors,)
    resolved = Policies([mirrors]).resolved(lambda target: f"{target.port}|{target.subset}|{target.host}")
    found = resolved.get(Mirrors)
    assert found is not None
    assert [mirror.cluster for mirror in found.mirrors] == ["0||c.shop.svc.cluster.local", "443|v1|d.example"]
