"""Leader election against a real API server: one leads, the next follows in time, nobody leads without the API."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.kube.api_server import ApiServer
from tests.kube.waiting import until
from xds.controllers.leader_election import LeaderElection

ELECTOR = """
import asyncio, sys
from pathlib import Path
from xds.controllers.leader_election import LeaderElection
from xds.sources.kube_config import connect

async def main():
    await LeaderElection(connect(Path(sys.argv[1])), sys.argv[2], "plait-leader", "killed").run()

asyncio.run(main())
"""


def elector(api_server: ApiServer, namespace: str, identity: str) -> LeaderElection:
    return LeaderElection(api_server.client(), namespace, "plait-leader", identity)


@asynccontextmanager
async def running(*elections: LeaderElection) -> AsyncIterator[list[asyncio.Task[None]]]:
    tasks = [asyncio.create_task(each.run()) for each in elections]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def lease(api_server: ApiServer, namespace: str) -> dict[str, object]:
    done = api_server.kubectl("get", "lease", "plait-leader", "-n", namespace, "-o", "jsonpath={.spec}")
    found: dict[str, object] = json.loads(done.stdout)
    return found


async def test_one_leads_and_the_next_takes_over_at_once_from_who_ends(api_server: ApiServer, namespace: str) -> None:
    one, other = elector(api_server, namespace, "one"), elector(api_server, namespace, "other")
    async with running(one) as (task,):
        await until(lambda: one.leading)
        async with running(other):
            await until(lambda: other.holder == "one")
            assert not other.leading
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert not one.leading
            assert lease(api_server, namespace)["holderIdentity"] == ""
            await until(lambda: other.leading, 3.0)  # at its next look
            found = lease(api_server, namespace)
            assert (found["holderIdentity"], found["leaseTransitions"]) == ("other", 1)


async def test_who_is_killed_is_followed_within_15_s(api_server: ApiServer, namespace: str) -> None:
    arguments = [sys.executable, "-c", ELECTOR, str(api_server.kubeconfig), namespace]
    killed = await asyncio.create_subprocess_exec(*arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert killed.stdout is not None
        assert b"leadership taken" in await asyncio.wait_for(killed.stdout.readline(), 30)
        other = elector(api_server, namespace, "other")
        async with running(other):
            await until(lambda: other.holder == "killed")
            killed.kill()
            began = time.monotonic()
            await until(lambda: other.leading, 15.0)
            assert time.monotonic() - began > 7, "took over while the killed one might still have been leading"
    finally:
        if killed.returncode is None:
            killed.kill()
        await killed.wait()


async def test_nobody_leads_without_the_api_server_and_work_is_ended_and_begun_again(own_api_server: ApiServer) -> None:
    election, doing = elector(own_api_server, "default", "one"), list[str]()

    async def work() -> None:
        doing.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            doing.append("ended")

    worker = asyncio.create_task(election.while_leading(work))
    try:
        async with running(election):
            await until(lambda: doing == ["begun"])
            own_api_server.stop()
            began = time.monotonic()
            await until(lambda: doing == ["begun", "ended"], 9.5)
            assert time.monotonic() - began > 3, "one failed renewal is no loss"
            assert not election.leading
            await asyncio.to_thread(own_api_server.start)
            await until(lambda: doing == ["begun", "ended", "begun"], 20)
        assert not election.leading
        await until(lambda: doing == ["begun", "ended", "begun", "ended"])
    finally:
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


async def test_work_that_fails_is_done_again_and_costs_no_leadership(api_server: ApiServer, namespace: str) -> None:
    election, tries = elector(api_server, namespace, "one"), list[int]()

    async def work() -> None:
        tries.append(1)
        raise RuntimeError("a bug")

    worker = asyncio.create_task(election.while_leading(work))
    async with running(election):
        await until(lambda: len(tries) == 2)
        assert election.leading
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def test_of_five_exactly_one_leads(api_server: ApiServer, namespace: str) -> None:
    elections = [elector(api_server, namespace, f"e{n}") for n in range(5)]
    async with running(*elections):
        await until(lambda: any(each.leading for each in elections))
        await until(lambda: len({each.holder for each in elections} - {""}) == 1)
        assert sum(each.leading for each in elections) == 1
