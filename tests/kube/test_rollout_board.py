"""The board of rollouts in a real API server: who writes it, what is heard, and a mesh that agrees by it."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tests.kube.api_server import ApiServer
from tests.unit.rollout.boards import Shared
from tests.unit.rollout.test_rollouts import RULE, rule
from tests.unit.rollout.test_several import mesh
from xds.controllers.replica import Replica
from xds.controllers.rollout_board import RolloutBoard
from xds.rollout.board import BoardAway, BoardRefused, Posted
from xds.rollout.held import State


@dataclass
class Lead:
    """Who leads, as a test says."""

    name: str
    shared: Shared

    @property
    def leading(self) -> bool:
        return self.shared.leader == self.name


def board(api_server: ApiServer, namespace: str, name: str, shared: Shared) -> RolloutBoard:
    return RolloutBoard(api_server.client(), Replica(namespace, name), Lead(name, shared), lambda: shared.alive)


async def test_only_who_has_read_what_stands_there_writes(api_server: ApiServer, namespace: str) -> None:
    shared = Shared()
    one, other = board(api_server, namespace, "a", shared), board(api_server, namespace, "b", shared)
    assert await one.read() is None
    first = await one.post(Posted("", "1", b"held"))
    assert first
    assert await other.post(Posted("", "2", b"")) is None
    assert await other.read() == Posted(first, "1", b"held")
    second = await other.post(Posted(first, "2", b"other"))
    assert second
    assert await one.post(Posted(first, "3", b"")) is None
    assert await one.read() == Posted(second, "2", b"other")


async def test_who_speaks_is_heard_and_who_was_there_before_only_when_it_speaks(
    api_server: ApiServer, namespace: str
) -> None:
    shared = Shared()
    one, other = board(api_server, namespace, "a", shared), board(api_server, namespace, "b", shared)
    await other.say("before")
    assert await one.heard() == {}, "it may be of one that is gone"
    await asyncio.to_thread(
        api_server.kubectl,
        "-n",
        namespace,
        "annotate",
        "configmap",
        "plait-rollout-b",
        "plait/tick=again",
        "--overwrite",
    )
    assert await one.heard() == {"b": "before"}
    await one.say("own")
    assert await one.heard() == {"b": "before"}, "its own it knows"
    await other.say("at once again")  # too soon
    assert await one.heard() == {"b": "before"}


async def test_what_is_too_large_or_not_allowed_is_said_so(api_server: ApiServer, namespace: str) -> None:
    one = board(api_server, namespace, "a", Shared())
    with pytest.raises(BoardAway):
        await one.post(Posted("", "x" * 950_000, b"y"))
    with pytest.raises(BoardAway):
        await board(api_server, "no-such-namespace", "a", Shared()).post(Posted("", "1", b""))


async def test_a_stranger_is_refused(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.write_text(api_server.kubeconfig_text("nobody"))
    client = api_server.client(stranger)
    shared = Shared()
    with pytest.raises(BoardRefused):
        await RolloutBoard(client, Replica(namespace, "a"), Lead("a", shared), lambda: shared.alive).read()


async def test_a_mesh_agrees_by_it_and_knows_after_a_restart_of_all(
    api_server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    def boards(name: str, shared: Shared) -> RolloutBoard:
        return board(api_server, namespace, name, shared)

    async with mesh(tmp_path, rule(1), count=6, boards=boards, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        found.replicas["b"].control_plane.rollouts.abort([RULE])  # told to one that does not lead
        await found.until(lambda: found.states() == [State.ABORTED, State.ABORTED])
        await found.until_all(1)

        def kept() -> bool:
            said = api_server.kubectl("-n", namespace, "get", "configmap", "plait-rollouts", "-o", "json")
            known = json.loads(said.stdout)
            held = len(base64.b64decode(known["binaryData"]["held.json.gz"]))
            return "aborted by hand" in known["data"]["decision.json"] and 100 < held < 2000

        async with asyncio.timeout(40):
            while not await asyncio.to_thread(kept):  # noqa: ASYNC110 - the API server is asked
                await asyncio.sleep(0.2)
        gone = [*await found.stop("a"), *await found.stop("b")]
        await found.start("c", *gone)
        assert found.with_timeout(1) == found.sidecars
        await found.until(lambda: found.states() == [State.ABORTED])  # why it is held back is heard a moment later
        assert found.with_timeout(1) == found.sidecars
        assert found.reasons() == {"aborted by hand"}
        found.apply(rule(1))  # as it was: nothing is held back any more, and the board says so
        await found.until(lambda: found.states() == [None])
