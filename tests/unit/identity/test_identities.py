"""Certificates of connected proxies: who comes back, or is given another one, is renewed once and not once for each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from ca.authority import Authority
from ca.issuer import self_signed
from tests.unit.clocks import stopped
from xds.identity.identities import Believed, Identities
from xds.model.identity import Identity
from xds.model.proxy import Proxy

NOW = datetime.now(UTC)
LIFETIME = timedelta(seconds=1000)  # renewed after 450 to 550 s
BACK, STAYING = (Proxy(name, namespace="shop", name=name, identity=Identity.ADS) for name in ("back", "staying"))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    return stopped(monkeypatch, "xds.identity.identities", NOW)


async def test_who_comes_back_is_renewed_by_its_new_certificate(clock: list[datetime]) -> None:
    renewed: asyncio.Queue[Proxy] = asyncio.Queue()

    def note(proxies: object) -> None:
        assert isinstance(proxies, tuple)
        renewed.put_nowait(proxies[0])

    authority = Authority(self_signed(NOW), "cluster.local")
    identities = Identities(Believed(authority, ("cluster.local",)), LIFETIME, note)
    identities.secrets(BACK)
    clock[0] = NOW + timedelta(seconds=101)
    identities.secrets(STAYING)
    identities.forget(BACK)
    clock[0] = NOW + timedelta(seconds=300)
    second = identities.secrets(BACK)
    # What the first certificate was to be renewed at is over, and before that of the one who stayed.
    clock[0] = NOW + timedelta(seconds=700)
    renewing = asyncio.create_task(identities.renew())
    async with asyncio.timeout(10):
        assert await renewed.get() == STAYING
    assert identities.secrets(BACK)[1] is second[1]
    renewing.cancel()
    await asyncio.gather(renewing, return_exceptions=True)
