"""``plait top``: the golden signals of services, workloads or edges, as they are now."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.cells import milliseconds, per_second, percent, size
from xds.cli.failure import Unreachable
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, Row, print_document, print_next, print_table, stdout
from xds.cli.traffic import Within, source
from xds.cli.where import Where
from xds.telemetry.traffic import Json, Traffic, grouped_by

if TYPE_CHECKING:
    from rich.table import Table

app = typer_app()

_EVERY_S: Final = 2.0
_AROUND: Final = 4  # lines of a screen that are no rows
_SIGNALS: Final = {
    "REQ/S": "rate",
    "4XX": "share_4xx",
    "5XX": "share_5xx",
    "P50": "p50",
    "P95": "p95",
    "P99": "p99",
    "INFLIGHT": "in_flight",
    "SENT/S": "sent",
    "RECEIVED/S": "received",
    "CONNS": "connections",
}


class What(StrEnum):
    """What there is a line for."""

    SERVICES = "services"
    WORKLOADS = "workloads"
    VERSIONS = "versions"
    EDGES = "edges"


class By(StrEnum):
    """What comes first: most requests, errors, the slowest, most at work, most bytes, or in the order of names."""

    RATE = "rate"
    ERRORS = "errors"
    P95 = "p95"
    P99 = "p99"
    INFLIGHT = "inflight"
    BYTES = "bytes"
    NAME = "name"


_COLUMNS: Final[Mapping[What, Mapping[str, str]]] = {
    What.SERVICES: {"SERVICE": "service", "CALLERS": "callers", **_SIGNALS},
    What.WORKLOADS: {"WORKLOAD": "workload", "VERSION": "version", **_SIGNALS, "CALLS/S": "calls"},
    What.VERSIONS: {"SERVICE": "service", "VERSION": "version", "WORKLOADS": "workloads", **_SIGNALS},
    What.EDGES: {
        "FROM": "source",
        "TO": "destination",
        "SERVICE": "service",
        "PROTOCOL": "protocol",
        "TLS": "security",
        **_SIGNALS,
    },
}
_ORDER: Final[Mapping[By, Callable[[Json], float]]] = {
    By.RATE: lambda signals: -signals["rate"],
    By.ERRORS: lambda signals: -signals["errors_5xx"],
    By.P95: lambda signals: -(signals["p95_ms"] or 0),
    By.P99: lambda signals: -(signals["p99_ms"] or 0),
    By.INFLIGHT: lambda signals: -signals["in_flight"],
    By.BYTES: lambda signals: -(signals["bytes_sent"] + signals["bytes_received"]),
    By.NAME: lambda signals: 0.0,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Of what, in which order, printed how."""

    what: Annotated[What, typer.Argument(help="What there is a line for.")] = What.SERVICES
    sort: Annotated[By, typer.Option("--sort", help="What comes first.")] = By.RATE
    output: OutputOption = Output.TABLE

    @property
    def columns(self) -> Mapping[str, str]:
        """The table's."""
        return _COLUMNS[self.what]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown, and who tells it."""

    asked: Asked
    within: Within
    now: Callable[[], Traffic]

    @property
    def nothing(self) -> str:
        """What to say where there is nothing to show."""
        of = f" of namespace {self.within.namespace}" if self.within.namespace else ""
        return f"no sidecar{of} has told of a call within the last {self.within.window}"


@app.command()
@grouped
def command(
    asked: Asked,
    within: Within,
    where: Where,
    watch: Annotated[
        bool | None, typer.Option("--watch/--once", "-w", help="Go on, every 2 seconds. Default: on a terminal.")
    ] = None,
) -> None:
    """Requests, errors, durations, saturation, bytes and connections: what sidecars have told within the window.

    They tell every 10 seconds. Each call counts once: as its caller's sidecar saw it, else as the called one's did.
    """
    shown = Shown(asked, within, source(where, within))
    live = watch if watch is not None else asked.output is Output.TABLE and sys.stdout.isatty()
    try:
        if not live:
            _once(shown)
        elif asked.output is Output.TABLE and sys.stdout.isatty():
            _on_screen(shown)
        else:
            _again_and_again(shown)
    except KeyboardInterrupt:
        return


def _once(shown: Shown) -> None:
    asked = shown.asked
    rows = _rows(shown.now(), asked)
    if asked.output is not Output.TABLE:
        print_document([_plain(row) for row in rows], asked.output)
    elif rows:
        print_table(asked.columns, rows, asked.output)
    else:
        stdout().print(shown.nothing, soft_wrap=True)


def _again_and_again(shown: Shown) -> None:
    while True:
        if shown.asked.output is Output.TABLE:
            _once(shown)
        else:
            for row in _rows(shown.now(), shown.asked):
                print_next(_plain(row), shown.asked.output)
        sys.stdout.flush()
        time.sleep(_EVERY_S)


def _on_screen(shown: Shown) -> None:
    from rich.live import Live

    console = stdout()
    now = shown.now()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(_table(shown, now, console.height - _AROUND), refresh=True)
            now = _next(shown, lambda why: live.update(why, refresh=True))


def _next(shown: Shown, missing: Callable[[str], None]) -> Traffic:
    """What is told after a while; ``missing`` is told why nobody tells it, who may be starting anew."""
    while True:
        time.sleep(_EVERY_S)
        try:
            return shown.now()
        except Unreachable as error:
            missing(str(error))


def _table(shown: Shown, now: Traffic, most: int) -> Table:
    from rich.table import Table

    asked = shown.asked
    rows = _rows(now, asked)
    more = f", {len(rows) - most} more" if len(rows) > most else ""
    title = f"{asked.what} by {asked.sort}, last {shown.within.window}, at {now.at[11:19]}{more}"
    table = Table(title=title if rows else shown.nothing, title_justify="left", box=None, pad_edge=False)
    named = len(asked.columns) - len(_SIGNALS) - (asked.what is What.WORKLOADS)
    for number, heading in enumerate(asked.columns):
        table.add_column(heading, justify="left" if number < named else "right", no_wrap=True)
    for row in rows[: max(1, most)]:
        style = "red" if row["signals"]["errors_5xx"] else ""
        table.add_row(
            *("-" if row[key] in ("", None) else str(row[key]) for key in asked.columns.values()), style=style
        )
    return table


def _rows(now: Traffic, asked: Asked) -> list[Row]:
    made = _MADE[asked.what](now)
    order = _ORDER[asked.sort]
    return sorted(
        ({**row, **_cells(row["signals"], now.window_s)} for row in made), key=lambda row: order(row["signals"])
    )


def _services(now: Traffic) -> Sequence[Row]:
    found = grouped_by(now.edges, lambda edge: str(edge["service"]))
    callers: dict[str, set[str]] = {}
    for edge in now.edges:
        callers.setdefault(edge["service"], set()).add(edge["source"])
    return [{"service": host, "callers": len(callers[host]), **each} for host, each in found.items()]


def _workloads(now: Traffic) -> Sequence[Row]:
    called = grouped_by(now.edges, lambda edge: _workload(now, edge["destination"]))
    calls = grouped_by(now.edges, lambda edge: _workload(now, edge["source"]))
    signals = next(iter(calls.values()), {}).get("signals", {})
    none = {"security": "unknown", "signals": {name: None if name.endswith("_ms") else 0 for name in signals}}
    return [
        {
            "workload": name,
            "version": now.nodes[name]["version"],
            **called.get(name, none),
            "calls": per_second(calls[name]["signals"]["rate"]) if name in calls else None,
        }
        for name in sorted({*called, *calls})
    ]


def _workload(now: Traffic, node: str) -> str:
    return node if now.nodes[node]["kind"] == "workload" else ""


def _versions(now: Traffic) -> Sequence[Row]:
    """Each version of each service, as the called workload is of one; calls that reached none are of none."""

    def version(edge: Json) -> tuple[str, str]:
        host = str(edge["service"])
        return (host, now.nodes[edge["destination"]]["version"]) if host else ("", "")

    behind: dict[tuple[str, str], set[str]] = {}
    for edge in now.edges:
        behind.setdefault(version(edge), set()).add(_workload(now, edge["destination"]))
    return [
        {"service": key[0], "version": key[1], "workloads": len(behind[key] - {""}), **each}
        for key, each in grouped_by(now.edges, version).items()
    ]


def _edges(now: Traffic) -> Sequence[Row]:
    return now.edges


_MADE: Final[Mapping[What, Callable[[Traffic], Sequence[Row]]]] = {
    What.SERVICES: _services,
    What.WORKLOADS: _workloads,
    What.VERSIONS: _versions,
    What.EDGES: _edges,
}


def _cells(signals: Json, window_s: int) -> dict[str, Any]:
    """The cells of a table."""
    requests = signals["requests"]
    return {
        "rate": per_second(signals["rate"]) if requests else None,
        "share_4xx": percent(signals["errors_4xx"], requests),
        "share_5xx": percent(signals["errors_5xx"], requests),
        **{name: milliseconds(signals[f"{name}_ms"]) for name in ("p50", "p95", "p99")},
        "in_flight": per_second(signals["in_flight"]) if requests or signals["connections_opened"] else None,
        "sent": size(signals["bytes_sent"] / window_s),
        "received": size(signals["bytes_received"] / window_s),
        "connections": signals["connections_open"] if signals["connections_opened"] else None,
    }


def _plain(row: Row) -> Row:
    """What programs are given: the signals as they are, without the cells."""
    cells = {*_SIGNALS.values(), "durations"}
    return {key: value for key, value in row.items() if key not in cells}
