"""``make soak``: a mesh whose certificates last a minute and whose root is replaced again and again, under load.

Needs root, for real sidecars in network namespaces. Prints a line a minute; exit status 1 when a request failed, a
sidecar refused something, a certificate was not renewed or a root not replaced in time; 2 when the mesh never ran.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import yaml

from ca.directory_store import DirectoryStore
from ca.issuer import self_signed
from ca.rotation import start
from ca.state import CaState, Phase
from xds.bootstrap.stats import REGEXPS
from xds.events import set_up
from xds.local.commands import CommandFailed
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh, running_mesh
from xds.testing.pods import Load

_LIFETIME: Final = timedelta(minutes=1)
_RENEWED_WITHIN: Final = _LIFETIME * 0.6  # renewal is at 45 to 55 % of it (ca/renewal.py)
_LINE_EVERY: Final = timedelta(minutes=1)
_ROOT_EVERY: Final = timedelta(minutes=10)
_LOOK_AGAIN_S: Final = 1.0
_CLIENTS: Final = {"steady": True, "fresh": False}  # whether each keeps its connections
_RATE: Final = 20.0
_SERVER: Final = "web"
_UNITS: Final = {"s": 1, "m": 60, "h": 3600}


@dataclass(slots=True)
class Tally:
    """What happened so far; ``faults`` are for people, each once."""

    requests: int = 0
    failed: int = 0
    roots: int = 0
    faults: dict[str, None] = field(default_factory=dict)

    def fault(self, text: str) -> None:
        """Note a failure."""
        self.faults[text] = None


def main() -> int:
    """Exit status 0 when nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--for", dest="length", type=duration, default="1h", metavar="TIME", help="how long (1h)")
    parser.add_argument("--root-every", type=duration, metavar="TIME", help="between two roots (10m, or a third of it)")
    options = parser.parse_args()
    every = options.root_every or min(_ROOT_EVERY, options.length / 3)
    set_up("warning")
    with tempfile.TemporaryDirectory(prefix="plait-soak-") as folder:
        try:
            tally = asyncio.run(soak(Path(folder), options.length, every))
        except (CommandFailed, TimeoutError) as error:
            sys.stderr.write(f"the mesh does not run: {error}\n")
            return 2
    for fault in tally.faults:
        say(f"failed: {fault}")
    say(f"{tally.requests} requests, {tally.failed} failed; {tally.roots} roots replaced")
    return int(bool(tally.faults))


def duration(text: str) -> timedelta:
    """The time that ``90s``, ``6m`` or ``1h`` names. Errors: ValueError."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if found is None:
        raise ValueError(f"{text!r} is no time: 90s, 6m, 1h")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def say(line: str) -> None:
    """A line with the time of day."""
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
    sys.stdout.flush()


async def soak(folder: Path, length: timedelta, root_every: timedelta) -> Tally:
    """Run the mesh for ``length``, with a new root every ``root_every``. Errors: as ``running_mesh``."""
    store = DirectoryStore(folder / "ca")
    settings = LocalSettings(ca_dir=folder / "ca", certificate_lifetime=_LIFETIME)
    (manifests := folder / "manifests").mkdir()
    tally = Tally()
    async with running_mesh(_manifests(), manifests, settings=settings) as mesh, contextlib.AsyncExitStack() as stack:
        loads = [
            await stack.enter_async_context(
                mesh.load(name, f"http://{_SERVER}/", _RATE, concurrency=4, keep_alive=kept)
            )
            for name, kept in _CLIENTS.items()
        ]
        work = asyncio.create_task(_replace_roots(store, root_every, tally))
        try:
            await _watch(mesh, loads, length, tally)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        await stack.aclose()
        _count(loads, tally)
        _note_refusals(mesh, tally)
    return tally


async def _watch(mesh: Mesh, loads: list[Load], length: timedelta, tally: Tally) -> None:
    """Count, look at every sidecar's certificate and print, until ``length`` is over."""
    loop = asyncio.get_running_loop()
    began, turns = loop.time(), 0
    known: dict[str, tuple[int, float]] = {}
    while (passed := timedelta(seconds=loop.time() - began)) < length:
        await asyncio.sleep(_LOOK_AGAIN_S)
        _count(loads, tally)
        _note_refusals(mesh, tally)
        renewals = await _renewals(mesh, known, tally)
        if passed >= _LINE_EVERY * (turns + 1):
            turns += 1
            say(
                f"{passed.total_seconds() / 60:.0f} min: {tally.requests} requests, {tally.failed} failed; "
                f"{renewals} certificates taken; {tally.roots} roots replaced; RSS {_rss() / 1e6:.0f} MB"
            )


def _count(loads: list[Load], tally: Tally) -> None:
    for load in loads:
        answers = load.answers[:]
        load.answers.clear()
        tally.requests += len(answers)
        for answer in answers:
            if answer.status != 200:
                tally.failed += 1
                tally.fault(f"a request was answered with {answer.status} {answer.error or answer.body[:200]}")


def _note_refusals(mesh: Mesh, tally: Tally) -> None:
    for refusal in mesh.take_rejections():
        tally.fault(str(refusal))


async def _renewals(mesh: Mesh, known: dict[str, tuple[int, float]], tally: Tally) -> int:
    """How many certificates the sidecars have taken; a fault for each that has waited too long for its next."""
    now = asyncio.get_running_loop().time()
    for name in (*_CLIENTS, _SERVER):
        taken = sum((await mesh.stats(name, r"sds\.default\.update_success")).values())
        before, since = known.get(name, (-1, now))
        known[name] = (taken, since) if taken == before else (taken, now)
        if taken == before and now - since > _RENEWED_WITHIN.total_seconds():
            tally.fault(f"{name} has had no new certificate for {_RENEWED_WITHIN.total_seconds():.0f} s")
    return sum(taken for taken, _ in known.values())


async def _replace_roots(store: DirectoryStore, every: timedelta, tally: Tally) -> None:
    """A new root every ``every``, for ever. One that is not the only one by then is a fault."""
    while True:
        await asyncio.sleep(every.total_seconds() / 2)
        state, now = _state(store), datetime.now(UTC)
        old = state.active.root_fingerprint
        store.save(start(state, self_signed(now), now))
        try:
            async with asyncio.timeout(every.total_seconds() / 2):
                while (state := _state(store)).phase is not Phase.STABLE or state.active.root_fingerprint == old:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_AGAIN_S)  # the control plane writes its steps there
        except TimeoutError:
            tally.fault(f"a new root was not in force {every / 2} after it was made: {state.phase.value}")
            return
        tally.roots += 1
        say(f"the root is another since {(datetime.now(UTC) - now).total_seconds():.0f} s after it was made")
        await asyncio.sleep(max(0.0, (now + every / 2 - datetime.now(UTC)).total_seconds()))


def _state(store: DirectoryStore) -> CaState:
    state = store.load()
    if state is None:
        raise RuntimeError("the mesh has no CA")
    return state


def _rss() -> int:
    """Resident bytes of this process, in which the control plane is, and the clients' answers for a second."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _manifests() -> str:
    return yaml.safe_dump_all(_objects())


def _objects() -> Iterator[dict[str, object]]:
    yield _object("v1", "Namespace", {"name": "shop", "labels": {"istio-injection": "enabled"}})
    for name in (*_CLIENTS, _SERVER):
        container = {"name": "app", "image": "plait/echo", "ports": [{"name": "http", "containerPort": 8080}]}
        spec = {"serviceAccountName": name, "terminationGracePeriodSeconds": 0, "containers": [container]}
        annotations = {REGEXPS: r"sds\.default\.update_success"}
        metadata: dict[str, object] = {"name": name, "namespace": "shop", "labels": {"app": name}}
        metadata["annotations"] = annotations
        yield _object("v1", "Pod", metadata, spec)
    port = {"name": "http", "port": 80, "targetPort": 8080}
    yield _object("v1", "Service", _named(_SERVER), {"selector": {"app": _SERVER}, "ports": [port]})
    security = "security.istio.io/v1"
    yield _object(security, "PeerAuthentication", _named("default"), {"mtls": {"mode": "STRICT"}})
    accounts = [f"cluster.local/ns/shop/sa/{name}" for name in _CLIENTS]
    rule = {"from": [{"source": {"principals": accounts}}], "to": [{"operation": {"methods": ["GET"]}}]}
    yield _object(security, "AuthorizationPolicy", _named("clients"), {"action": "ALLOW", "rules": [rule]})


def _named(name: str) -> dict[str, object]:
    return {"name": name, "namespace": "shop"}


def _object(version: str, kind: str, metadata: dict[str, object], spec: object = None) -> dict[str, object]:
    written: dict[str, object] = {"apiVersion": version, "kind": kind, "metadata": metadata}
    return written if spec is None else {**written, "spec": spec}


if __name__ == "__main__":
    sys.exit(main())
