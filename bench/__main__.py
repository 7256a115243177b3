"""``make bench``, or ``python -m bench``: run the scenarios, print the table, write docs/benchmarks.md."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import cli_start, profile, real_envoy, report, scenarios, security, signing
from bench.figures import COLD, COMMANDS, LIBRARY, MEMORY, POLICY, RENEWAL, ROOT, ROOT_POLICY, SIGNING, Figure
from bench.fleet import BenchmarkFailed
from bench.mesh import Mesh, Size
from bench.scenarios import Plan

_SHORT: Final = {
    **{name.split()[0]: name for name in (*scenarios.CHANGES, COLD, MEMORY, LIBRARY, RENEWAL, SIGNING, COMMANDS)},
    "policy": POLICY,
    "root-policy": ROOT_POLICY,
    "root": ROOT,
}
_REPORT: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_SECURED: Final = "secured"
_SECURITY: Final = ("plaintext", _SECURED)
_QUICK: Final = Size(100, 5)


def main() -> int:
    """Exit status 0 when all ran, 1 when a bar was missed and ``--strict`` asked for it, 2 when something failed."""
    options = _options()
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else 160)
    if options.real_envoys and (why := real_envoy.impossible()):
        console.print(f"no real Envoy: {why}")
        options.real_envoys = 0
    try:
        figures = asyncio.run(_run(options, console))
    except (BenchmarkFailed, TimeoutError) as error:
        console.print(f"[red]failed:[/red] {error}", highlight=False)
        return 2
    report.show(figures, console)
    size = _size(options)
    if options.write or not (options.quick or options.only or options.sidecars or size != Size()):
        report.write(figures, size, options.real_envoys, _REPORT)
        console.print(f"written: {_REPORT}")
    return int(options.strict and any(figure.verdict == "missed" for figure in figures))


async def _run(options: argparse.Namespace, console: Console) -> list[Figure]:
    def say(line: str) -> None:
        console.print(f"  {line}", style="dim", highlight=False, soft_wrap=True)

    only = frozenset(_SHORT[name] for name in options.only or _SHORT)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="plait-bench-") as scratch:
        plan = Plan(Path(scratch), only=only, kind=options.protocol, real_envoys=options.real_envoys)
        if options.quick:
            plan = replace(plan, cold_repeats=1, change_repeats=2)
        if options.repeats:
            plan = replace(plan, cold_repeats=options.repeats, change_repeats=options.repeats)
        counts = options.sidecars or ([20] if options.quick else [200, 1000])
        for count in counts:
            for how in options.security:
                mesh = Mesh(Path(scratch) / f"mesh-{how}-{count}", replace(_size(options), secured=how == _SECURED))
                with profile.of_server(options.profile, say) as watch:
                    here = only if count == max(counts) else only - frozenset(security.SECURITY)
                    figures += await _with(replace(plan, only=here, started=watch), mesh, count, say)
        if SIGNING in only:
            figures += signing.figures()
        if COMMANDS in only:
            figures += cli_start.figures()
        if LIBRARY in only:
            from bench import library  # builds nothing but costs the whole control plane's import

            figures += library.figures(Path(scratch), quick=options.quick, say=say)
    return figures


async def _with(plan: Plan, mesh: Mesh, count: int, say: scenarios.Say) -> list[Figure]:
    """The figures of one mesh; those of security are measured with one number of sidecars, the larger."""
    figures: list[Figure] = []
    secured = mesh.size.secured and plan.only & frozenset(security.SECURITY)
    if plan.only & {*scenarios.CHANGES, COLD, MEMORY} or secured:
        mesh.write()
    if plan.only & {*scenarios.CHANGES, COLD, MEMORY}:
        figures += await scenarios.run(plan, mesh, count, say)
    if secured:
        figures += await security.run(plan, mesh, count, say)
    return figures


def _size(options: argparse.Namespace) -> Size:
    default = _QUICK if options.quick else Size()
    return replace(
        default,
        services=options.services or default.services,
        endpoints=options.endpoints or default.endpoints,
        routes=options.routes,
        rules=options.rules,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--sidecars", type=int, nargs="+", help="how many simulated sidecars (200 1000)")
    parser.add_argument("--services", type=int, help="how many services (1000)")
    parser.add_argument("--endpoints", type=int, help="endpoints of each service (10)")
    parser.add_argument("--routes", type=int, default=0, help="VirtualServices beside the one that is edited")
    parser.add_argument("--rules", type=int, default=0, help="DestinationRules")
    parser.add_argument("--only", nargs="+", choices=sorted(_SHORT), help="these scenarios")
    parser.add_argument("--security", nargs="+", choices=_SECURITY, default=list(_SECURITY), help="of the mesh (both)")
    parser.add_argument("--protocol", choices=("delta", "sotw"), default="delta", help="what the sidecars speak")
    parser.add_argument("--repeats", type=int, help="repeats of each scenario (3 cold syncs, 5 changes)")
    parser.add_argument("--real-envoys", type=int, default=1, help="real Envoys beside them; a NACK of theirs fails")
    parser.add_argument("--quick", action="store_true", help="20 sidecars, 100 services, few repeats: does it run?")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="sample the control plane with py-spy into FILE")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a first bar is missed")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md, as a whole run does")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
