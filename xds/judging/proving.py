"""Who judges resources beyond Envoy's rules: the prover beside a control plane, as its settings say."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import structlog

from xds.events import Event
from xds.judging.last_good import LastGood
from xds.judging.quarantine import Key, key_of
from xds.local.sidecar import installed_envoy
from xds.prover.beside import AUTO, OFF, Apart, Beside, Work, beside
from xds.prover.candidate import PROVABLE, Candidate, Outcome, Verdict
from xds.prover.prover import Prover
from xds.settings import Settings
from xds.wire.resource import Resource

log = structlog.get_logger()

_MOST_OWED: Final = 10_000


def proving(settings: Settings) -> Proving:
    """Who judges for a control plane of these settings."""
    found = found_envoy() if settings.prover == AUTO else None
    state = settings.state_dir or _state_dir()
    kept = LastGood(kept_at(settings, "last-good"))
    wanted = settings.prover
    return Proving(beside(wanted, found, state / "prover"), kept, required=wanted not in (AUTO, OFF))


def kept_at(settings: Settings, what: str) -> Path | None:
    """The file of a control plane of these sources; none for a mesh that is gone with its control plane."""
    if not (settings.manifests or settings.watches_cluster):
        return None
    sources = (settings.manifests, settings.kubeconfig, settings.context, settings.in_cluster, settings.revision)
    digest = hashlib.sha256(repr([str(each) for each in sources]).encode()).hexdigest()[:16]
    return (settings.state_dir or _state_dir()) / f"{what}-{digest}.json"


def found_envoy() -> Path | None:
    """The Envoy of this machine: the one that is installed beside us, or the one on the PATH."""
    in_path = shutil.which("envoy")
    return installed_envoy() or (Path(in_path) if in_path else None)


def _state_dir() -> Path:
    state = os.environ.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "plait"


class Proving:
    """Who judges resources: ``prover``, where there is one."""

    def __init__(self, found: Beside | Apart | None, kept: LastGood, *, required: bool = False) -> None:
        self._beside = found
        self._required = required
        self.kept = kept
        """What is sent instead of refused resources outlives a restart here."""
        self.prover: Prover | None = None
        self.owed: dict[Key, Resource] = {}
        """What is served unproven, as nobody could be asked."""

    def wanted(self, resource: Resource) -> bool:
        """Whether a new resource is to be judged before it is sent."""
        if self.prover is None or resource.type_url not in PROVABLE:
            return False
        verdict = self.prover.known(Candidate.of(resource))
        return verdict is None or verdict.refused

    async def open(self) -> Work:
        """What has to run for the prover; nothing where there is none, or it cannot be had.

        Errors: OSError where one was named that cannot be run.
        """
        if self._beside is None:
            return {}
        try:
            self.prover, work = await self._beside.open()
        except OSError as error:
            if self._required:
                raise
            log.warning(Event.PROVER_OFF, reason=str(error))
            return {}
        return work

    async def close(self) -> None:
        """End what is left when all work is cancelled."""
        if self._beside is not None:
            await self._beside.close()

    async def verdicts(self, resources: Iterable[Resource]) -> dict[Resource, Verdict]:
        """What is said of each; what nobody can judge is owed."""
        verdicts = await self.opinions(resources)
        for each, verdict in verdicts.items():
            if verdict.outcome is not Outcome.UNPROVEN:
                self.owed.pop(key_of(each), None)
            elif self.prover is not None and self.prover.away and len(self.owed) < _MOST_OWED:
                self.owed[key_of(each)] = each
        return verdicts

    async def opinions(self, resources: Iterable[Resource]) -> dict[Resource, Verdict]:
        """What is said of each, of what may never be served."""
        if self.prover is None:
            return {}
        wanted = {each: Candidate.of(each) for each in resources}
        found = await self.prover.judge(wanted.values())
        return {each: found[candidate] for each, candidate in wanted.items()}
