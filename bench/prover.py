"""How many contents a second the prover judges: ``python -m bench.prover [SECONDS]``.

Virtual hosts, clusters and filters as a mesh makes them, each new; a share of them is bad, or ends an Envoy. The bar is
500 changes a second.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import structlog

from xds.local.sidecar import installed_envoy
from xds.prover.beside import Beside
from xds.prover.candidate import Candidate
from xds.prover.prover import Prover
from xds.wire.codec import encode, from_plain, message_class
from xds.wire.type_urls import CLUSTER, EXTENSION, VIRTUAL_HOST

_RBAC: Final = "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC"
_TEMPLATE: Final = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
_CHANGE: Final = 3  # contents of a change: a virtual host, a cluster, a policy
_BAR: Final = 500


def virtual_host(number: int, regex: str = "/a.*") -> Candidate:
    """A virtual host with four routes."""
    routes: list[dict[str, Any]] = [
        {"match": {"prefix": f"/{number}/{part}"}, "route": {"cluster": f"c{number}", "timeout": "3s"}}
        for part in range(3)
    ]
    routes.append({"match": {"safe_regex": {"regex": regex}}, "route": {"cluster": f"c{number}"}})
    return _candidate(VIRTUAL_HOST, {"name": f"80/host-{number}", "domains": [f"host-{number}"], "routes": routes})


def cluster(number: int) -> Candidate:
    """A cluster whose endpoints come by EDS."""
    limits: dict[str, Any] = {"thresholds": [{"max_connections": number + 1}]}
    eds: dict[str, Any] = {"eds_config": {"ads": {}, "resource_api_version": "V3"}}
    plain = {"name": f"c{number}", "type": "EDS", "eds_cluster_config": eds, "circuit_breakers": limits}
    return _candidate(CLUSTER, {**plain, "connect_timeout": "1s"})


def policy(number: int, template: str = "/x") -> Candidate:
    """A filter with a rule of authorization; a template that is none ends an Envoy."""
    config: dict[str, Any] = {"@type": _TEMPLATE, "path_template": f"{template}/{number}"}
    matcher: dict[str, Any] = {"name": "envoy.path.match.uri_template.uri_template_matcher", "typed_config": config}
    rules: dict[str, Any] = {"p": {"permissions": [{"uri_template": matcher}], "principals": [{"any": True}]}}
    config = {"@type": _RBAC, "rules": {"action": "ALLOW", "policies": rules}}
    return _candidate(EXTENSION, {"name": "plait.authorization", "typed_config": config})


def _candidate(url: str, plain: dict[str, Any]) -> Candidate:
    return Candidate(url, encode(from_plain(plain, message_class(url)())), str(plain["name"]))


def good(number: int) -> list[Candidate]:
    """The contents of one change."""
    return [virtual_host(number), cluster(number), policy(number)]


def bad(number: int) -> list[Candidate]:
    """The same with a bad one among every hundred changes."""
    return [virtual_host(number, "/a.*" if number % 100 else "["), *good(number)[1:]]


def deadly(number: int) -> list[Candidate]:
    """The same with one that ends an Envoy among every thousand changes."""
    return [*good(number)[:2], policy(number, "/x" if number % 1000 else "/{")]


async def measured(
    prover: Prover, made: Callable[[int], list[Candidate]], numbers: Iterator[int], seconds: float
) -> str:
    """What was judged in that time, in rounds of as many changes as come within 0.1 s at the bar."""
    changes, slowest, judging = 0, 0.0, 0.0
    before = prover.counts.responses
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        wanted = [each for _ in range(_BAR // 10) for each in made(next(numbers))]
        began = time.monotonic()
        await prover.judge(wanted)
        took = time.monotonic() - began
        judging, slowest, changes = judging + took, max(slowest, took), changes + _BAR // 10
    responses = prover.counts.responses - before
    return (
        f"{changes / judging:6.0f} changes a second ({changes * _CHANGE / judging:.0f} contents), "
        f"slowest round of {_BAR // 10} changes {slowest * 1000:.0f} ms, {responses} responses"
    )


async def main(seconds: float) -> None:
    """Print the figures."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    binary = installed_envoy()
    if binary is None:
        sys.exit("bench.prover: no Envoy is installed here")
    with TemporaryDirectory() as folder:
        beside = Beside(Path(binary), Path(folder))
        prover, work = await beside.open()
        tasks = [asyncio.create_task(each) for each in work.values()]
        numbers = count()
        await prover.judge(good(next(numbers)))
        print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; bar: {_BAR} a second")
        for name, made in {"all good": good, "1 in 100 bad": bad, "1 in 1000 ends it": deadly}.items():
            print(f"{name:18} {await measured(prover, made, numbers, seconds)}", flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await beside.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0))
