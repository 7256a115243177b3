"""The page of what has happened.

``GET /debug/history[?last=N][&after=N]`` is this JSON, the oldest generation first::

    {"started": iso, "generation": 17,            # when the control plane began, and its newest generation
     "waiting": {"17": 2},                        # so many proxies have not answered for all of a generation
     "generations": [
      {"generation": 17, "at": iso,               # when it was published
       "took_s": 0.12 | null,                     # from being told of the first change to publishing it
       "quiet": false,                            # true: only endpoints, pods and the like have changed
       "objects": [{"object": "VirtualService shop/reviews", "group", "kind", "namespace", "name",
                    "what": "created" | "changed" | "deleted",
                    "quiet": false,               # true: of a kind that changes all the time, as pods do
                    "origin": "shop.yaml:7", "resource_version": "", "generation": 4,
                    "fields": ["spec.http[0].timeout changed"]}],   # some, of Istio's kinds
       "more_objects": 0,                         # so many are not listed
       "resources": {"lds": 1, "rds": 4},         # different resources that are new, other or gone, by type
       "proxies": 12,                             # connected proxies that were told of something
       "waiting": 0,                              # those of them that have not answered for all of it
       "converged": iso | null, "converged_s": 0.3 | null,          # when none was waiting any more; since told
       "nacks": [{"proxy": node id, "type": "rds", "resource": "80" | "", "reason", "at": iso}], "more_nacks": 0,
       "drains": [{"listener": "0.0.0.0_80", "proxies": 3, "what": sentence}]}],
     "rollouts": [                              # changes that roll out in steps, the latest last (docs/rollouts.md)
      {"objects": [as above, without "what"], "state": "trying" | "stopped" | "promoted", "at": iso of its begin,
       "ended": iso | null, "step": 1, "steps": 3, "proxies": 1, "affected": 40, "reason": why it ended}]}

``GET /debug/history?generation=N`` is one of them, with ``"before"`` and ``"after"`` in each object: a manifest, null
where it did not exist, and ``"kept": false`` where the content is not known (not of Istio's kinds, or too long ago).
404 where that generation is not known. Generations are numbered from 1 by each control plane since its start.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from xds.history.generation import Json
from xds.history.history import ALL, History


async def page(history: History, query: Mapping[str, str]) -> Json | None:
    """What ``/debug/history`` answers to a query; None: no such generation. Errors: ValueError, which says why."""
    numbers = {name: query[name] for name in ("generation", "last", "after") if name in query}
    for name, text in numbers.items():
        if not text.isdecimal() or len(text) > 18:
            raise ValueError(f"{name} must be a number, is {text!r}")
    if "generation" in numbers:
        return await asyncio.to_thread(history.one, int(numbers["generation"]))
    tries = history.tries()
    found: Json = await asyncio.to_thread(history.latest, int(numbers.get("last", ALL)), int(numbers.get("after", 0)))
    return {**found, "rollouts": list(tries)}
