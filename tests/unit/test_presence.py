"""The names of proxies' sets: what one is served, its private key included, is nobody else's."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from xds.model.endpoint import Locality
from xds.model.identity import Identity
from xds.model.proxy import Proxy
from xds.presence import group_of

ONE = Proxy("sidecar~10.0.0.1~web-1.shop~shop.svc.cluster.local", namespace="shop", name="web-1")


def test_proxies_of_one_hash_share_no_set() -> None:
    one, other = replace(ONE, http_proxy_port=-1), replace(ONE, http_proxy_port=-2)
    assert hash(one) == hash(other) and one != other
    assert group_of(one) != group_of(other)


OTHERS = {
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
