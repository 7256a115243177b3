"""The pages of rollouts: what is under way, held back and over; and the two that decide, for the commands of people."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from xds.admin.near import is_near
from xds.model.refs import ObjectRef
from xds.rollout.course import Standing
from xds.rollout.held import Held
from xds.rollout.progress import Phase
from xds.rollout.rollouts import Rollouts

Json = dict[str, Any]

_MOST_NAMES: Final = 5


def routes(rollouts: Rollouts) -> list[Route]:
    """``GET /debug/rollouts``; ``POST /debug/rollouts/promote`` and ``/debug/rollouts/abort``.

    The latter two ask nobody who he is, but answer on this machine alone. They are of
    ``?group=&kind=&namespace=&name=``, or without them of the rollout that is under way.
    """

    async def status(request: Request) -> Response:
        return JSONResponse(_status(rollouts))

    def deciding(decide: Callable[[Iterable[ObjectRef]], tuple[ObjectRef, ...]]) -> Any:
        async def page(request: Request) -> Response:
            # Browsers say whose page asks; none of ours does. So no site that somebody looks at decides here.
            if "origin" in request.headers:
                return JSONResponse({"error": "this is for commands, not for pages of a browser"}, 403)
            if not is_near(request):
                return JSONResponse({"error": "rollouts are decided over loopback only: forward a port"}, 403)
            standing = rollouts.standing
            wanted = _named(request) or (standing.objects if standing is not None else ())
            return JSONResponse([ref.plain() for ref in decide(wanted)])

        return page

    return [
        Route("/debug/rollouts", status),
        Route("/debug/rollouts/promote", deciding(rollouts.promote), methods=["POST"]),
        Route("/debug/rollouts/abort", deciding(rollouts.abort), methods=["POST"]),
    ]


def tries(rollouts: Rollouts) -> list[Json]:
    """What rolls out in steps and how the latest such have ended, the latest last, as a history tells it."""
    found = [_tried(each.standing, each.at) for each in rollouts.ended]
    return found if rollouts.standing is None else [*found, _tried(rollouts.standing, None)]


def _tried(standing: Standing, ended: datetime | None) -> Json:
    progress = standing.progress
    over = "promoted" if progress is not None and progress.phase is Phase.PROMOTED else "stopped"
    return {
        "objects": [ref.plain() for ref in standing.objects],
        "state": "trying" if ended is None else over,
        "at": standing.began.isoformat(),
        "ended": None if ended is None else ended.isoformat(),
        "step": 0 if progress is None else progress.step + 1,
        "steps": 0 if progress is None else progress.steps,
        "proxies": len(standing.cohort),
        "affected": standing.affected,
        "reason": "" if progress is None else progress.reason,
    }


def _named(request: Request) -> tuple[ObjectRef, ...]:
    said = request.query_params
    if "name" not in said:
        return ()
    return (ObjectRef(said.get("group", ""), said.get("kind", ""), said.get("namespace", ""), said["name"]),)


def _status(rollouts: Rollouts) -> Json:
    standing = rollouts.standing
    return {
        "rollout": None if standing is None else _standing(standing),
        "held": [_held(ref, each) for ref, each in sorted(rollouts.held.items())],
        "ended": [{**_standing(each.standing), "at": each.at.isoformat()} for each in rollouts.ended],
    }


def _standing(standing: Standing) -> Json:
    progress, judgement = standing.progress, standing.judgement
    return {
        "objects": [ref.plain() for ref in standing.objects],
        "phase": "finding out whom it affects" if progress is None else progress.phase.value,
        "step": 0 if progress is None else progress.step + 1,
        "steps": 0 if progress is None else progress.steps,
        "since_s": None if progress is None else round(time.monotonic() - progress.since, 1),
        "reason": "" if progress is None else progress.reason,
        "proxies": len(standing.cohort),
        "affected": standing.affected,
        "first": list(standing.cohort[:_MOST_NAMES]),
        "judgement": None if judgement is None else judgement.call.value,
        "why": "" if judgement is None else judgement.reason,
        "requests": 0 if judgement is None else judgement.requests,
    }


def _held(ref: ObjectRef, held: Held) -> Json:
    return {
        **ref.plain(),
        "state": held.state.value,
        "reason": held.reason,
        "served_generation": 0 if held.good is None else held.good.generation,
        "generation": 0 if held.new is None else held.new.generation,
        "deleted": held.new is None,
    }
