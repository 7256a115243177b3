"""Who hangs an Envoy is told apart from who is asked on a machine that has no time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from xds.prover.candidate import PROVEN, Candidate
from xds.prover.exchange import Gone
from xds.prover.questions import Numbered
from xds.prover.search import CONTROL, HANGS, Found, Search
from xds.wire.type_urls import CLUSTER

NUMBERED = tuple((Candidate(CLUSTER, name.encode(), name), number) for number, name in enumerate(["a", "b", "c"]))


class Envoy:
    """Answers for all but some names, and for none while it is ``starved``."""

    def __init__(self, *silent: str, starved: bool = False) -> None:
        self.silent = silent
        self.starved = starved
        self.asked: list[str] = []

    async def present(self) -> bool:
        return True

    async def ask(self, part: Sequence[Numbered], limit_s: float) -> str | None:
        names = [each.name for each, _ in part]
        self.asked += names
        if self.starved or set(names) & set(self.silent):
            raise Gone("does not answer", silent=True)
        return None

    async def take_back(self, type_url: str, limit_s: float) -> None: ...


async def test_who_hangs_an_envoy_that_answers_for_others_is_refused() -> None:
    envoy, found = Envoy("b"), Found()
    await Search(envoy, envoy.present).verdicts(NUMBERED, found)
    assert found == {0: PROVEN, 1: HANGS, 2: PROVEN}
    assert envoy.asked == ["a", "b", "c", "a", "b", "b", CONTROL, "c"]


@pytest.mark.parametrize("batch", [NUMBERED, NUMBERED[:1]])
async def test_an_envoy_that_has_no_time_condemns_nobody(batch: Sequence[Numbered]) -> None:
    envoy, found = Envoy(starved=True), Found()
    with pytest.raises(Gone):
        await Search(envoy, envoy.present).verdicts(batch, found)
    assert found == {}
    assert envoy.asked[-1] == CONTROL
