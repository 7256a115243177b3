"""The state machine of a rollout: what is seen, and what follows."""

from __future__ import annotations

from xds.rollout.judge import Call, Judgement
from xds.rollout.progress import Phase, Plan, Progress, Seen, begun, following

PLAN = Plan(watch_s=60, acknowledge_s=30)
FINE = Seen(True, (), Judgement(Call.CONTINUE))
NOTHING = Seen(True, (), Judgement(Call.WAIT))


def watching(step: int = 0, steps: int = 3, since: float = 100.0) -> Progress:
    return Progress(steps, step, Phase.WATCHING, since)


def test_a_change_that_reaches_nobody_is_promoted() -> None:
    assert begun(0, 1.0).phase is Phase.PROMOTED


def test_a_good_change_goes_through_all_steps() -> None:
    progress, now, phases = begun(3, 0.0), 0.0, []
    while progress.phase is not Phase.PROMOTED:
        phases.append((progress.step, progress.phase))
        now += 61
        progress = following(progress, FINE, PLAN, now)
    assert phases == [(step, phase) for step in range(3) for phase in (Phase.ACKNOWLEDGING, Phase.WATCHING)]


def test_it_waits_for_all_acknowledgements_and_not_for_ever() -> None:
    progress = begun(3, 0.0)
    assert following(progress, Seen(False), PLAN, 29.0) == progress
    late = following(progress, Seen(False), PLAN, 30.0)
    assert (late.phase, late.reason) == (Phase.ABORTED, "not acknowledged within 30 s")


def test_it_is_watched_for_the_whole_time() -> None:
    assert following(watching(), FINE, PLAN, 159.0) == watching()
    assert following(watching(), FINE, PLAN, 160.0) == Progress(3, 1, Phase.ACKNOWLEDGING, 160.0)


def test_harm_ends_it_at_once() -> None:
    harm = Seen(True, (), Judgement(Call.ABORT, "50% fail"))
    for step in range(3):
        ended = following(watching(step), harm, PLAN, 101.0)
        assert (ended.phase, ended.reason, ended.step) == (Phase.ABORTED, "50% fail", step)


def test_trouble_counts_before_anything_is_acknowledged() -> None:
    ended = following(begun(3, 0.0), Seen(False, ("shop/web refuses 80: bad", "more")), PLAN, 1.0)
    assert (ended.phase, ended.reason) == (Phase.ABORTED, "shop/web refuses 80: bad; more")


def test_without_traffic_it_goes_on_or_waits_for_people() -> None:
    assert following(watching(), NOTHING, PLAN, 160.0).step == 1
    waits = Plan(watch_s=60, needs_traffic=True)
    waiting = following(watching(), NOTHING, waits, 160.0)
    assert (waiting.phase, waiting.step) == (Phase.WAITING, 0)
    assert following(waiting, NOTHING, waits, 9999.0) == waiting
    assert following(waiting, FINE, waits, 9999.0).step == 1
    harm = Seen(True, (), Judgement(Call.ABORT, "50% fail"))
    assert following(waiting, harm, waits, 9999.0).phase is Phase.ABORTED


def test_what_has_ended_stays_so() -> None:
    ended = Progress(3, 2, Phase.PROMOTED, 5.0)
    assert following(ended, Seen(False, ("trouble",)), PLAN, 9999.0) == ended
