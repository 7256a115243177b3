"""What Envoy would refuse of what manifests make: by its own rules, and by a private Envoy where one is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import structlog

from xds.cli.differences import proxy_of, with_envoy
from xds.cli.manifests import Manifests
from xds.generations.publication import Publication
from xds.judging.culprits import Culprits
from xds.judging.last_good import LastGood
from xds.judging.proving import Proving
from xds.model.problem import Problem
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.prover.beside import Beside
from xds.proxies.served import Served
from xds.server import SnapshotCache


def judged(mesh: Manifests, binary: Path | None) -> tuple[Problem, ...]:
    """One finding for each object that is to blame for something that Envoy refuses, of what all workloads are sent.

    ``binary`` is an Envoy that is asked, too. Errors: OSError where it cannot be run.
    """
    with structlog.testing.capture_logs():  # the findings say it
        return asyncio.run(_judged(mesh, [proxy_of(pod, mesh.addresses) for pod in with_envoy(mesh)], binary))


async def _judged(mesh: Manifests, proxies: Sequence[Proxy], binary: Path | None) -> tuple[Problem, ...]:
    proving = Proving(None if binary is None else Beside(binary, None), LastGood(None), required=True)
    pipeline = Pipeline(mesh.builder.snapshot, proving.wanted)
    publication = Publication(pipeline, Served(SnapshotCache(), lambda _: ()), proving, lambda: None)
    tasks = [asyncio.create_task(each) for each in (await publication.work()).values()]
    try:
        for proxy in proxies:
            await publication.connect(proxy)
        culprits = Culprits(pipeline.quarantine, mesh.builder, proving.opinions)
        found = await culprits.problems()
        while culprits.later_s is not None:
            await asyncio.sleep(culprits.later_s)
            found = await culprits.problems()
        return found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await proving.close()
