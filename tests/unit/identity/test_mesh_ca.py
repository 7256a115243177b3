"""The CA while it runs: what is gone from its store is said, and what was read goes on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.rotation import Holder, start
from ca.state import CaState, Phase
from ca.store import MemoryStore
from xds.cluster.council import MOUNTED, Council, Counsel
from xds.identity.mesh_ca import MeshCa
from xds.identity.plugged_in import PluggedInFiles


async def nobody() -> Iterable[Holder]:
    return ()


async def test_a_store_that_is_gone_is_a_warning_and_no_new_root(tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    ca = MeshCa(DirectoryStore(folder), lambda state: None)
    await ca.open()
    root = ca.state.active.root_fingerprint
    shutil.rmtree(folder)
    following = asyncio.create_task(ca.follow(nobody))
    try:
        async with asyncio.timeout(10):
            while not any("is gone" in warning for warning in ca.report().warnings):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        following.cancel()
    assert ca.state.active.root_fingerprint == root


async def test_who_made_the_ca_has_no_predecessors(tmp_path: Path) -> None:
    first, second = (MeshCa(DirectoryStore(tmp_path / "ca"), lambda state: None) for _ in range(2))
    await first.open()
    await second.open()
    assert (first.made_here, second.made_here) == (True, False)


async def until(what: Callable[[], bool], ca: MeshCa, holders: Callable[[], Awaitable[Iterable[Holder]]]) -> None:
    """Follow until that is so."""
    following = asyncio.create_task(ca.follow(holders))
    try:
        async with asyncio.timeout(10):
            while not what():  # noqa: ASYNC110 (nobody is told)
                await asyncio.sleep(0.01)
    finally:
        following.cancel()


def put(folder: Path, issuer: Issuer) -> None:
    folder.mkdir()
    (folder / "ca-key.pem").touch(mode=0o600)
    (folder / "ca-key.pem").write_bytes(keys.to_pem(issuer.key))
    (folder / "ca-cert.pem").write_bytes(issuer.certificate.public_bytes(Encoding.PEM))
    (folder / "root-cert.pem").write_bytes(issuer.root.public_bytes(Encoding.PEM))
    (folder / "cert-chain.pem").write_bytes(b"")


async def test_a_plugged_in_ca_that_may_be_absent_is_adopted_when_it_comes(tmp_path: Path) -> None:
    ca = MeshCa(MemoryStore(), lambda state: None, PluggedInFiles(tmp_path / "cacerts", optional=True))
    await ca.open()
    assert (ca.state.phase, ca.state.next) == (Phase.STABLE, None)
    theirs = self_signed(datetime.now(UTC))
    put(tmp_path / "cacerts", theirs)
    await until(lambda: ca.state.active.root_fingerprint == theirs.root_fingerprint, ca, nobody)


class Others:
    """A leader's view: who leads, and what has been said."""

    leading = True

    def __init__(self, **said: Counsel) -> None:
        self.ca: Mapping[str, Mapping[str, Any]] = {pod: counsel.plain() for pod, counsel in said.items()}


def rotating() -> MemoryStore:
    """A store with a rotation that began long ago."""
    store, now = MemoryStore(), datetime.now(UTC)
    begun = start(_first(now), self_signed(now), now)
    store.save(replace(begun, since=now - 2 * MOUNTED, version=None))
    return store


def _first(now: datetime) -> CaState:
    return CaState(self_signed(now), now)


async def test_the_leader_steps_when_all_agree() -> None:
    store = rotating()
    others = Others(own=Counsel("1"), other=Counsel("1", held_up_by=("shop/web-0",)))
    ca = MeshCa(store, lambda state: None, council=Council(others, others, "own"))
    await ca.open()
    counsel = ca.counsel(["shop/web-1"])
    assert (counsel.version, counsel.connected) == ("1", ("shop/web-1",))

    async def agreed_now() -> Iterable[Holder]:
        """Asked before each step: the first time the other one is not ready, afterwards it is."""
        seen.append(ca.state.phase)
        if len(seen) > 1:
            others.ca = {"own": Counsel("1").plain(), "other": Counsel("1").plain()}
        return ()

    seen: list[Phase] = []
    await until(lambda: ca.state.phase is Phase.SIGNING, ca, agreed_now)
    assert seen[:2] == [Phase.DISTRIBUTING, Phase.DISTRIBUTING]


async def test_who_does_not_lead_waits_and_so_does_who_has_not_heard_itself() -> None:
    for others in (Others(own=Counsel("1")), Others()):
        others.leading = bool(not others.ca)
        council = Council(others, others, "own")
        assert not council.agrees("1")


async def test_what_was_just_distributed_is_not_in_all_pods_yet() -> None:
    store, now = MemoryStore(), datetime.now(UTC)
    store.save(replace(start(_first(now), self_signed(now), now), version=None))
    others = Others(own=Counsel("1"))
    ca = MeshCa(store, lambda state: None, council=Council(others, others, "own"))
    await ca.open()
    asked: list[Phase] = []

    async def holders() -> Iterable[Holder]:
        asked.append(ca.state.phase)
        return ()

    await until(lambda: len(asked) > 2, ca, holders)
    assert set(asked) == {Phase.DISTRIBUTING}


def test_those_who_are_connected_elsewhere_are_answered_for_there() -> None:
    others = Others(own=Counsel("1", connected=("a/1",)), other=Counsel("1", connected=("b/1", "b/2")))
    assert Council(others, others, "own").connected_elsewhere() == {"b/1", "b/2"}
    assert Counsel.of({"heldUpBy": "nonsense"}) == Counsel("")


def test_who_has_left_for_another_control_plane_is_that_ones_to_judge() -> None:
    left = Counsel("1", held_up_by=("a/1",))
    others = Others(own=Counsel("1"), old=left, new=Counsel("1", connected=("a/1",)))
    assert Council(others, others, "own").agrees("1")
    others = Others(own=Counsel("1"), old=left, new=Counsel("1", held_up_by=("a/1",), connected=("a/1",)))
    assert not Council(others, others, "own").agrees("1")
    others = Others(own=Counsel("1"), old=Counsel("1", held_up_by=("a/1",), connected=("a/1",)))
    assert not Council(others, others, "own").agrees("1")
