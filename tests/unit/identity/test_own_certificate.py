"""The control plane's certificate: made anew when half of its lifetime is over, or when it should be another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ca.authority import Authority
from ca.errors import Unusable
from ca.issuer import self_signed
from tests.unit.clocks import stopped
from xds.identity.own_certificate import OwnCertificate

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Mesh:
    """A mesh that may change."""

    def __init__(self) -> None:
        self.authority = Authority(self_signed(NOW), "cluster.local")
        self.names = ("plait.test",)

    def certificate(self) -> OwnCertificate:
        return OwnCertificate(lambda: self.authority, lambda: self.names, DAY)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    return stopped(monkeypatch, "xds.identity.own_certificate", NOW)


def test_it_is_renewed_at_half_of_its_lifetime(clock: list[datetime]) -> None:
    own = Mesh().certificate()
    first = own.current()
    clock[0] = NOW + DAY * 0.44
    assert own.current() is first
    clock[0] = NOW + DAY * 0.56
    second = own.current()
    assert second is not first
    assert own.current() is second


def test_it_follows_authority_and_names(clock: list[datetime]) -> None:
    mesh = Mesh()
    own = mesh.certificate()
    first = own.current()
    mesh.names = ("other.test",)
    second = own.current()
    mesh.authority = Authority(self_signed(NOW), "cluster.local")
    assert len({id(each) for each in (first, second, own.current())}) == 3


def test_the_old_one_is_shown_while_there_is_no_other(clock: list[datetime]) -> None:
    mesh = Mesh()
    own = mesh.certificate()
    first = own.current()
    mesh.authority = Authority(self_signed(NOW - DAY * 4000), "cluster.local")
    assert own.current() is first
    mesh.authority = Authority(self_signed(NOW), "cluster.local")
    assert own.current() is not first


def test_without_any_it_does_not_start(clock: list[datetime]) -> None:
    mesh = Mesh()
    mesh.authority = Authority(self_signed(NOW - DAY * 4000), "cluster.local")
    with pytest.raises(Unusable, match="expired"):
        mesh.certificate().credentials(mutual=False)


def test_key_and_chain_are_those_that_connections_are_met_with(clock: list[datetime]) -> None:
    own = Mesh().certificate()
    key, chain = own.current_pair()
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert chain.startswith(b"-----BEGIN CERTIFICATE-----")
    configuration = own.current()
    assert own.current_pair() == (key, chain)
    clock[0] = NOW + DAY * 0.56
    assert own.current_pair() != (key, chain)
    assert own.current() is not configuration
    assert key.decode() not in repr(own._made)
