"""``plait history``: the latest generations of configuration, what changed in each, and what proxies made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from xds.cli.control_plane import control_plane
from xds.cli.durations import shown
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_table, stdout
from xds.cli.told_generations import Told, generation_of, latest, rollouts
from xds.cli.where import Where

app = typer_app()

_COLUMNS: Final = {
    "GENERATION": "generation",
    "AGO": "ago",
    "CHANGED": "changed",
    "PROXIES": "proxies",
    "LIVE AFTER": "live",
    "NACKS": "nacks",
    "DRAINS": "drains",
}
_MOST_NAMED: Final = 2


@app.command()
@grouped
def command(
    where: Where,
    generation: Annotated[int, typer.Argument(metavar="[GENERATION]", min=0, help="Only this one, in detail.")] = 0,
    replica: Annotated[
        str, typer.Option("--replica", metavar="NAME", help="Which replica's: each numbers its own generations.")
    ] = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also those in which only endpoints, pods and the like have changed.")
    ] = False,
    last: Annotated[int, typer.Option("--last", min=1, metavar="N", help="So many at most.")] = 20,
    output: OutputOption = Output.TABLE,
) -> None:
    """What has changed lately, the newest last: objects, how many proxies were told, and when all had it.

    PROXIES counts those that got something else; LIVE AFTER is from the change to the last one's answer; of a change
    that rolls out in steps it is how far that is, and why it ended. Exit status 0.
    """
    to = control_plane(where)
    if generation:
        one = generation_of(to, generation, replica)
        if output is Output.TABLE:
            _detail(one)
        else:
            print_document(one, output)
        return
    found = [each for each in latest(to, replica) if everything or not each["quiet"]][-last:]
    if output is not Output.TABLE:
        print_document(found, output)
        return
    shown_too = sorted((*found, *rollouts(to, replica)), key=lambda each: str(each["at"]))[-last:]
    several = len({each["replica"] for each in shown_too}) > 1
    columns = {**_COLUMNS, "REPLICA": "replica"} if several else _COLUMNS
    now = datetime.now(UTC)
    print_table(columns, [_row(each, now) if "generation" in each else _tried(each, now) for each in shown_too], output)


def _row(told: Told, now: datetime) -> Mapping[str, Any]:
    objects = [f"{each['object']} {each['what']}" for each in told["objects"]]
    more = len(objects) - _MOST_NAMED + told["more_objects"]
    named = [*objects[:_MOST_NAMED], *([f"{more} more"] if more > 0 else [])]
    return {
        "generation": told["generation"],
        "ago": shown(now - datetime.fromisoformat(told["at"])),
        "changed": named,
        "proxies": told["proxies"],
        "live": _live(told),
        "nacks": len(told["nacks"]) + told["more_nacks"] or "",
        "drains": len(told["drains"]) or "",
        "replica": told["replica"],
    }


def _tried(told: Told, now: datetime) -> Mapping[str, Any]:
    """The line of a change that rolls out in steps, which is of no generation before its end."""
    names = [each["object"] for each in told["objects"]]
    more = [f"{len(names) - _MOST_NAMED} more"] if len(names) > _MOST_NAMED else []
    why = f": {told['reason']}" if told["reason"] else ""
    far = f"{told['state']}, step {told['step']} of {told['steps']}" if told["steps"] else told["state"]
    return {
        "generation": "-",
        "ago": shown(now - datetime.fromisoformat(told["at"])),
        "changed": [*names[:_MOST_NAMED], *more],
        "proxies": told["proxies"],
        "live": f"{far}{why}",
        "nacks": "",
        "drains": "",
        "replica": told["replica"],
    }


def _live(told: Told) -> str:
    if told["waiting"]:
        return f"waiting for {told['waiting']}"
    if not told["proxies"]:
        return ""
    return "yes" if told["converged_s"] is None else f"{told['converged_s']:.2f}s"


def _detail(told: Told) -> None:
    console = stdout()

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, soft_wrap=True)

    line(f"generation {told['generation']}, published {told['at']}")
    for each in told["objects"]:
        origin = f" ({each['origin']})" if each["origin"] else ""
        line(f"  {each['object']} {each['what']}{origin}")
        for field in each["fields"]:
            line(f"    {field}")
    if told["more_objects"]:
        line(f"  and {told['more_objects']} more")
    counts = ", ".join(f"{count} {kind}" for kind, count in told["resources"].items())
    line(f"resources that differ: {counts or 'none'}")
    line(f"proxies told: {told['proxies']}; live after: {_live(told) or 'at once'}")
    for each in told["drains"]:
        line(f"drains: {each['what']}, on {each['proxies']} proxies", "yellow")
    for each in told["nacks"]:
        line(f"refused by {each['proxy']}: {each['type']} {each['resource']}: {each['reason']}", "red")
