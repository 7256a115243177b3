"""``plait audit``: who was refused what, and by which policy; and what dry runs would have refused."""

from __future__ import annotations

import heapq
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from xds.audit.refusal import Kind
from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration
from xds.cli.failure import Failure, Unreachable
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_next, print_table, stdout
from xds.cli.where import Where

app = typer_app()

Json = Mapping[str, Any]

_COLUMNS: Final = {
    "TIME": "when",
    "FROM": "caller",
    "TO": "destination",
    "REQUEST": "request",
    "ANSWER": "answer",
    "POLICY": "by",
}
_SHADOW_COLUMNS: Final = {
    "POLICY": "by",
    "FROM": "from",
    "TO": "to",
    "TIMES": "times",
    "LAST": "when",
    "EXAMPLE": "request",
}
_FOLLOWED: Final = "{when}  {caller}  ->  {destination}  {request}  {answer}  {by}"
_POLL_S: Final = 0.5
_AT_ONCE: Final = "1000"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which refusals, printed how."""

    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on with what comes, until interrupted; -o json is a line each.")
    ] = False
    source: Annotated[
        str, typer.Option("--from", metavar="SRC", help="A namespace, workload, pod, address or identity.")
    ] = ""
    destination: Annotated[str, typer.Option("--to", metavar="DST", help="The same of who was called.")] = ""
    since: Annotated[str, typer.Option("--since", metavar="DURATION", help="Not older than this, such as 10m.")] = ""
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, max=10_000, help="The latest so many.")] = 100
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only what became so.")] = None
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Per dry-run policy: what it would have refused, and how often.")
    ] = False
    output: OutputOption = Output.TABLE

    def query(self) -> dict[str, str]:
        """What is asked of the control plane."""
        asked = {"from": self.source, "to": self.destination, "kind": self.kind.value if self.kind else ""}
        if self.since:
            asked["since"] = (datetime.now(UTC) - duration(self.since, "--since")).isoformat()
        return {"last": str(self.last), **{key: value for key, value in asked.items() if value}}


@app.command()
@grouped
def command(asked: Asked, where: Where) -> None:
    """What sidecars have refused, would have refused (dry run) or were told to audit; and refused xDS streams.

    The control plane keeps the latest 10,000 since it has started. Sidecars tell within about a second.
    """
    to = control_plane(where)
    if asked.shadow:
        _shadow(to, asked)
        return
    told = {replica: _dict(replica, answer) for replica, answer in to.ask_each("/debug/audit", **asked.query()).items()}
    refusals = _in_order(told.values())[-asked.last :]
    if asked.follow:
        _follow(to, asked, told, refusals)
    elif asked.output is Output.TABLE:
        print_table(_COLUMNS, [_row(each) for each in refusals], asked.output)
    else:
        print_document(refusals, asked.output)


def _dict(replica: str, answer: Any) -> Json:
    if not isinstance(answer, dict):
        raise Failure(f"what answers at {replica} is no control plane of plait: it has no /debug/audit")
    return answer


def _in_order(told: Iterable[Json]) -> list[Json]:
    """The refusals that several replicas tell of, the oldest first."""
    return list(heapq.merge(*(each["refusals"] for each in told), key=lambda each: str(each["time"])))


def _follow(to: ControlPlane, asked: Asked, told: dict[str, Json], refusals: Iterable[Json]) -> None:
    console = stdout()
    while True:
        lost = sum(each["lost"] for each in told.values())
        if lost:
            typer.echo(f"plait: note: {lost} more came than are kept", err=True)
        for each in refusals:
            if asked.output is Output.TABLE:
                console.print(_FOLLOWED.format(**_row(each)), soft_wrap=True)
            else:
                print_next(each, asked.output)
        time.sleep(_POLL_S)
        told = _next(to, asked, told)
        refusals = _in_order(told.values())


def _next(to: ControlPlane, asked: Asked, told: Mapping[str, Json]) -> dict[str, Json]:
    """What each replica tells beyond what it has ``told``; one that is gone is told of and asked no more."""
    found: dict[str, Json] = {}
    for replica, before in told.items():
        query = {**asked.query(), "after": str(before["next"]), "last": _AT_ONCE}
        try:
            found[replica] = _dict(replica, to.one(replica).ask("/debug/audit", **query))
        except Unreachable as error:
            if len(told) == 1:
                raise
            typer.echo(f"plait: note: {error}", err=True)
    return found


def _row(each: Json) -> Json:
    return {
        **each,
        "when": _clock(each["time"]),
        "caller": _caller(each["from"]),
        "destination": each["to"]["label"],
        "by": _by(each),
    }


def _caller(party: Json) -> str:
    """What it is called, and whom it claims to be where that was not believed."""
    claims = party["principal"] and not party["proven"]
    return f"{party['label']} (claims {party['principal']})" if claims else str(party["label"])


def _by(each: Json) -> str:
    """``AuthorizationPolicy shop/web rules[0] at deny.yaml:3``, or what there is to say without a policy."""
    named = [_policy(policy) for policy in each["policies"]]
    return f"{each['why']}: {', '.join(named)}" if named else str(each["why"])


def _policy(policy: Json) -> str:
    rule = f" rules[{policy['rule']}]" if policy["rule"] is not None else ""
    place = f" at {policy['origin']}" if policy["origin"] else " (gone)"
    return f"{policy['object']}{rule}{place}"


def _clock(moment: str) -> str:
    """Local time; the day too when it is not today's."""
    then = datetime.fromisoformat(moment).astimezone()
    return then.strftime("%H:%M:%S" if then.date() == datetime.now().astimezone().date() else "%m-%d %H:%M:%S")


def _shadow(to: ControlPlane, asked: Asked) -> None:
    if asked.follow:
        raise Failure("--shadow counts: leave --follow out")
    counted: dict[str, Json] = {}
    for replica, answer in to.ask_each("/debug/refusals").items():
        if not isinstance(answer, list):
            raise Failure(f"what answers at {replica} is no control plane of plait: it has no /debug/refusals")
        for each in answer:
            if each["kind"] == Kind.WOULD_REFUSE.value and _wanted(each, asked):
                same = repr((each["from"], each["to"], each["policies"]))
                counted[same] = _together(counted[same], each) if same in counted else each
    found = list(counted.values())
    if asked.output is not Output.TABLE:
        print_document(found, asked.output)
    elif found:
        rows = sorted(map(_counted, found), key=lambda row: row["by"])
        print_table(_SHADOW_COLUMNS, rows, asked.output)
    else:
        stdout().print("no dry-run policy would have refused anything since the control plane started")


def _together(one: Json, other: Json) -> Json:
    """What two replicas have counted of the same."""
    latest = max(one, other, key=lambda each: str(each["last"]))
    first = min(one["first"], other["first"])
    return {**latest, "times": one["times"] + other["times"], "first": first}


def _wanted(each: Json, asked: Asked) -> bool:
    return _is(each["from"], asked.source) and _is(each["to"], asked.destination)


def _is(label: str, name: str) -> bool:
    return not name or name in {label, *label.split("/")}


def _counted(each: Json) -> Json:
    return {**each, "when": _clock(each["last"]), "by": ", ".join(map(_policy, each["policies"])) or each["why"]}
