"""Whom one proxy's NACK concerns: one is no proof; two owners are, unless a third has taken it."""

from __future__ import annotations

from xds.model.proxy import Proxy
from xds.proxies.presence import owner_of
from xds.server.builds import Builds, OfBuild
from xds.server.rejections import Rejection, Rejections
from xds.wire.resource import Resource
from xds.wire.type_urls import CLUSTER

BAD = Resource(CLUSTER, "c", b"bad")
REJECTION = Rejection(BAD, "why", "node")


def test_one_owner_condemns_for_nobody_else() -> None:
    builds = Builds(10, lambda build, resource: False)
    for _ in range(3):
        builds.refused("1.40.0", "shop/web", REJECTION)
    assert builds.of("1.40.0").of(BAD) is None


def test_two_owners_condemn_for_their_build() -> None:
    builds = Builds(10, lambda build, resource: False)
    builds.refused("1.40.0", "shop/web", REJECTION)
    builds.refused("1.39.0", "shop/old", REJECTION)
    assert not list(builds)
    builds.refused("1.40.0", "shop/db", REJECTION)
    assert list(builds) == [("1.40.0", REJECTION)]
    assert builds.of("1.39.0").of(BAD) is None


def test_what_one_of_the_build_has_taken_is_not_condemned() -> None:
    builds = Builds(10, lambda build, resource: build == "1.40.0")
    builds.refused("1.40.0", "shop/web", REJECTION)
    builds.refused("1.40.0", "shop/db", REJECTION)
    assert not list(builds)


def test_a_stream_minds_its_group_and_its_build() -> None:
    group, build, heard = Rejections(10), Rejections(10), list[Rejection]()
    found = OfBuild(10, group, build, heard.append)
    assert found.of(BAD) is None
    found.add(REJECTION)
    assert group.of(BAD) is REJECTION
    assert heard == [REJECTION]
    other = OfBuild(10, Rejections(10), build, heard.append)
    assert not other.any_of(CLUSTER)
    build.add(REJECTION)
    assert other.any_of(CLUSTER)
    assert other.of(BAD) is REJECTION


def test_who_takes_it_none_the_less_clears_it() -> None:
    builds = Builds(10, lambda build, resource: False)
    builds.refused("1.40.0", "shop", REJECTION)
    builds.refused("1.40.0", "db", REJECTION)
    assert builds.accepted("1.39.0", (BAD,)) == ()
    assert builds.accepted("1.40.0", (Resource(CLUSTER, "c", b"good"), BAD)) == (BAD,)
    assert builds.of("1.40.0").of(BAD) is None
    assert not builds.of("1.40.0").any_of(CLUSTER)
    assert builds.accepted("1.40.0", (BAD,)) == ()


def test_the_accounts_of_a_namespace_are_one() -> None:
    owners = {owner_of(Proxy("p", namespace="shop", service_account=account)) for account in ("web", "db")}
    assert len(owners) == 1
