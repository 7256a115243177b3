"""The names of proxies' sets: what one is served, its private key included, is nobody else's."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import pytest

from xds.model.endpoint import Locality
from xds.model.identity import Identity
from xds.model.proxy import Proxy
from xds.proxies.presence import MOST_OF_ONE, Presence, group_of
from xds.server import Denied

ONE = Proxy("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local", namespace="shop", name="web-1")


def test_proxies_of_one_hash_share_no_set() -> None:
    one, other = replace(ONE, http_proxy_port=-1), replace(ONE, http_proxy_port=-2)
    assert hash(one) == hash(other)
    assert one != other
    assert group_of(one) != group_of(other)


OTHERS: dict[str, Any] = {
    "id": "x",
    "kind": "router",
    "namespace": "bank",
    "name": "web-2",
    "labels": frozenset({("app", "web")}),
    "addresses": ("10.0.0.2",),
    "service_account": "admin",
    "locality": Locality("eu"),
    "vhds": False,
    "version": "1.40.0",
    "identity": Identity.ADS,
    "http_proxy_port": 15080,
    "group": "vms",
    "network": "east",
}


@pytest.mark.parametrize("field", [field.name for field in fields(Proxy)])
def test_each_difference_makes_another_set(field: str) -> None:
    assert group_of(replace(ONE, **{field: OTHERS[field]})) != group_of(ONE)


def test_where_one_part_ends_and_the_next_begins_makes_a_difference() -> None:
    one, other = replace(ONE, namespace="a", name="b', 'c"), replace(ONE, namespace="a', 'b", name="c")
    assert group_of(one) != group_of(other)


def test_equal_proxies_share_a_set_in_whatever_order_their_labels_came() -> None:
    one = replace(ONE, labels=frozenset({("a", "1"), ("b", "2"), ("c", "3")}))
    other = replace(ONE, labels=frozenset({("c", "3"), ("b", "2"), ("a", "1")}))
    assert group_of(one) == group_of(other)


async def test_one_name_is_so_many_proxies_at_once_however_many_it_claims_to_be() -> None:
    present = Presence(lambda: None)
    variants = [replace(ONE, labels=frozenset({("v", str(number))})) for number in range(MOST_OF_ONE)]
    for each in variants:
        present.arrived(each)
        present.arrived(each)  # a second stream of the same one
    another = replace(ONE, labels=frozenset({("v", "another")}))
    with pytest.raises(Denied, match="shop/web-1 is 16 proxies"):
        present.arrived(another)
    present.arrived(replace(ONE, name="web-2"))
    present.left(variants[0])
    present.left(variants[0])
    with pytest.raises(Denied):  # it may come back
        present.arrived(another)
    present.arrived(variants[0])
    present.close()


async def test_who_was_seen_off_counts_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.proxies.presence.LINGER_S", 0.0)
    gone = asyncio.Event()
    present = Presence(gone.set)
    for number in range(MOST_OF_ONE + 4):
        each = replace(ONE, labels=frozenset({("v", str(number))}))
        present.arrived(each)
        present.left(each)
        async with asyncio.timeout(5):
            await gone.wait()
        gone.clear()
        assert present.take_leaving() == {each}
