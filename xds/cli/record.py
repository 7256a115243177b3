"""``plait record``: all requests of a workload's proxies, in and out, as they end; for a while."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration
from xds.cli.failure import Failure, Unreachable
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_next, stdout
from xds.cli.where import Where

app = typer_app()

Json = Mapping[str, Any]

_PAGE: Final = "/debug/record"
_POLL_S: Final = 0.5
_LINE: Final = "{when}  {pod}  {way}  {request}  {answer}  {took}"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose requests, for how long, printed how."""

    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", help="A workload or a pod: NAME, or NAMESPACE/NAME.")]
    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="Its namespace.")] = "default"
    length: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long, at most 1h.")] = "5m"
    output: OutputOption = Output.TABLE

    def query(self) -> dict[str, str]:
        """What is asked of the control plane."""
        name = self.workload if "/" in self.workload else f"{self.namespace}/{self.workload}"
        seconds = int(duration(self.length, "--for").total_seconds())
        return {"workload": name, "for": str(max(1, seconds))}


@app.command()
@grouped
def command(asked: Asked, where: Where) -> None:
    """All requests of a workload's sidecars, those that come in and those that go out, when they have ended.

    No connection is closed for it: proxies are told to report while this runs. -o json is a line each.
    """
    to = control_plane(where)
    told = {replica: _known(replica, each) for replica, each in to.ask_each(_PAGE, **asked.query()).items()}
    proxies = sorted({name for each in told.values() for name in each["proxies"]})
    whose = ", ".join(proxies) or "no proxy that is connected; those that come will be"
    typer.echo(f"plait: recording {asked.query()['workload']}: {whose}", err=True)
    try:
        _follow(to, asked, told)
    except KeyboardInterrupt:
        for replica, each in told.items():
            to.one(replica).ask(_PAGE, id=each["id"], stop="1")


def _known(replica: str, answer: Any) -> Json:
    if not isinstance(answer, dict) or "id" not in answer:
        raise Failure(f"what answers at {replica} is no control plane of plait: it has no {_PAGE}")
    return answer


def _follow(to: ControlPlane, asked: Asked, told: dict[str, Json]) -> None:
    lost = 0
    while told:
        for entry in _in_order(each["entries"] for each in told.values()):
            _print(entry, asked.output)
        now_lost = sum(each["lost"] for each in told.values())
        if now_lost > lost:
            typer.echo(f"plait: note: {now_lost - lost} more came than are kept", err=True)
            lost = now_lost
        for replica in [replica for replica, each in told.items() if each["over"]]:
            del told[replica]
        if told:
            time.sleep(_POLL_S)
            _read_on(to, told)


def _read_on(to: ControlPlane, told: dict[str, Json]) -> None:
    """What each replica tells beyond what it has ``told``; one that is gone is told of and asked no more."""
    for replica, before in list(told.items()):
        try:
            answer = to.one(replica).ask(_PAGE, id=before["id"], after=str(before["next"]))
        except Unreachable as error:
            if len(told) == 1:
                raise
            typer.echo(f"plait: note: {error}", err=True)
            answer = None
        if answer is None:
            del told[replica]
        else:
            told[replica] = answer


def _in_order(told: Iterable[list[Json]]) -> list[Json]:
    return list(heapq.merge(*told, key=lambda each: str(each["start_time"])))


def _print(entry: Json, output: Output) -> None:
    if output is not Output.TABLE:
        print_next(entry, output)
        return
    http = "method" in entry
    request = f"{entry['method']} {entry['authority']}{entry['path']}" if http else entry["upstream_cluster"]
    flags = f" {entry['response_flags']}" if entry["response_flags"] else ""
    line = {
        "when": str(entry["start_time"])[11:23],
        "pod": entry["pod"],
        "way": "<-" if entry["direction"] == "server" else "->",
        "request": request,
        "answer": f"{entry['response_code'] if http else entry['protocol']}{flags}",
        "took": f"{entry['duration']}ms",
    }
    stdout().print(_LINE.format(**line), soft_wrap=True, markup=False, highlight=False)
