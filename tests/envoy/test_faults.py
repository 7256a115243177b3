"""A catalogue of injected faults: the guilty object is named within 5 s of the client's first error, by one command."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final

import pytest
import pytest_asyncio

from tests.envoy.faults.catalogue import catalogue
from tests.envoy.faults.clients import OUTSIDE
from tests.envoy.faults.commands import Commands, commands
from tests.envoy.faults.fault import Fault, Seen
from tests.envoy.faults.healthy import broken, healthy
from tests.envoy.faults.named import names, tells
from tests.envoy.manifests import Manifest, documents
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

LIMIT_S: Final = 5.0
NAMED: Final = 28
FAULTS: Final = catalogue()
COLD: Final = "a command that has to load its modules first"

Taken = dict[str, float]


@pytest.fixture(scope="module")
def well() -> list[Manifest]:
    return healthy()


@pytest.fixture(scope="module")
def mesh_manifests(well: list[Manifest]) -> str:
    return documents(*well)


@pytest.fixture(scope="module")
def taken(request: pytest.FixtureRequest) -> Iterator[Taken]:
    """The seconds that each fault took; printed as a table when all have been tried."""
    found: Taken = {}
    yield found
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None:
        return
    with capture.global_and_fixture_disabled():
        reporter.write_line("")
        for fault in (each for each in FAULTS if each.name in found):
            how = f"{found[fault.name]:5.2f} s" if not fault.unnamed else f"not named: {fault.unnamed}"
            reporter.write_line(f"{fault.name:<60} {fault.guilty:<40} {how}")
        reporter.write_line(f"{COLD:<101} {found.get(COLD, 0):5.2f} s more")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plait(module_mesh: Mesh, taken: Taken) -> AsyncIterator[Commands]:
    since = monotonic()
    async with commands(module_mesh.name, "explain", "shop/web", "http://api/") as found:
        taken[COLD] = monotonic() - since
        yield found


def test_enough_of_them_are_named() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 30
    assert sum(not fault.unnamed for fault in FAULTS) >= max(NAMED, len(FAULTS) * NAMED / 30)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
async def test_the_guilty_object_is_named(
    mesh: Mesh, well: list[Manifest], plait: Commands, taken: Taken, fault: Fault
) -> None:
    await until(mesh, fault, fault.well)
    await until_silent(mesh, plait, fault)
    begun = datetime.now(UTC)
    async with breaking(mesh, well, fault):
        seen = await until(mesh, fault, fault.symptom)
        since = monotonic()
        asked = question(mesh, fault, seen)
        told: Any = {}
        while not names(told, fault, begun) and monotonic() - since <= LIMIT_S:
            told = await answer(plait, asked)
        taken[fault.name] = monotonic() - since
        named = names(told, fault, begun)
        if fault.unnamed:
            assert not named, f"{fault.name} is named by now: it is no longer one that is missed"
            pytest.xfail(fault.unnamed)
        text = await plait.answer(*asked)
        assert named, text
        assert tells(text, fault), text
        assert taken[fault.name] <= LIMIT_S
    await until(mesh, fault, fault.well)


@contextlib.asynccontextmanager
async def breaking(mesh: Mesh, well: Sequence[Manifest], fault: Fault) -> AsyncIterator[None]:
    """The mesh with the fault in it, while the block runs; mended at the end."""
    manifests = fault.manifests()
    async with contextlib.AsyncExitStack() as mending:
        if manifests or fault.gone:
            mending.push_async_callback(mended, mesh, well)
            write(mesh, broken(well, manifests, fault.gone))
        if fault.while_broken is not None:
            await mending.enter_async_context(fault.while_broken(mesh))
        yield
    if fault.refused:
        assert mesh.take_rejections(), "a proxy refuses it"


def write(mesh: Mesh, manifests: Sequence[Manifest]) -> None:
    draft = mesh.folder / ".mesh.yaml"
    draft.write_text(documents(*manifests))
    draft.replace(mesh.folder / "mesh.yaml")


async def mended(mesh: Mesh, well: Sequence[Manifest]) -> None:
    write(mesh, well)
    await mesh.settled()


async def until(mesh: Mesh, fault: Fault, words: str) -> Seen:
    """The first request that the client sees to go as these words say."""
    seen = Seen("nothing")

    async def so() -> bool:
        nonlocal seen
        seen = await fault.client(mesh)
        return re.fullmatch(words, seen.words) is not None

    try:
        await mesh.until(so, f"{fault.name}: {words}")
    except TimeoutError as error:
        raise TimeoutError(f"{error}; the client saw {seen.words!r}") from None
    return seen


async def until_silent(mesh: Mesh, plait: Commands, fault: Fault) -> None:
    """Return when the command names nobody for this fault, as it may still for the one before."""
    asked, now = question(mesh, fault, Seen("")), datetime.now(UTC)

    async def silent() -> bool:
        return not names(await answer(plait, asked), fault, now)

    await mesh.until(silent, f"before {fault.name}, nobody is named for it")


def question(mesh: Mesh, fault: Fault, seen: Seen) -> list[str]:
    """The arguments of the command."""
    return [word.format(request_id=seen.request_id or "none", stranger=mesh.ip(OUTSIDE)) for word in fault.asked]


async def answer(plait: Commands, asked: Sequence[str]) -> Any:
    """What the command answers, as ``-o json`` has it; nothing where the question has no answer yet."""
    text = await plait.answer(*asked, "-o", "json")
    return json.loads(text) if text[:1] in ("[", "{") else {}
