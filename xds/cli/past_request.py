"""Requests that were refused lately, by their ``x-request-id``: what sidecars said of them, as it was kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.output import stdout
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.why.question import Question

Json = Mapping[str, Any]


def past(where: Where, request_id: str) -> Sequence[Json]:
    """What was refused under that id, the oldest first; at least one. Errors: Failure."""
    told = control_plane(where).ask_each("/debug/audit", request_id=request_id)
    found = [each for answer in told.values() if answer for each in answer["refusals"]]
    known = [each for each in found if each.get("request_id") == request_id]
    if not known:
        raise Failure(
            f"no refusal of a request {request_id!r} is kept: sidecars tell of what they refuse, would refuse or "
            "audit, and of those the latest 10,000 are kept"
        )
    return sorted(known, key=lambda each: str(each["time"]))


def once_more(refusal: Json) -> Question | None:
    """The same call as a question; None where it is not known enough of it: the caller, or the pod that was called."""
    from xds.why.question import Question

    source, destination = refusal["from"], refusal["to"]
    if not destination["pod"] or not refusal["method"] or not refusal["port"]:
        return None
    caller = f"{source['namespace']}/{source['pod']}" if source["pod"] else source["address"]
    if not caller:
        return None
    called = f"{destination['namespace']}/{destination['pod']}:{refusal['port']}"
    return Question(caller, called, refusal["method"], refusal["path"] or "/", headers=(f"host:{refusal['host']}",))


def print_past(refusals: Iterable[Json], now: dict[str, Any] | None) -> None:
    """What was decided, by whom and why; then what would be decided now."""
    from xds.cli.explained_text import print_answers

    console = stdout()

    def line(name: str, text: str) -> None:
        console.print(f"  {name:<6}{text}", soft_wrap=True)

    for each in refusals:
        what = f"{each['request']} was answered with {each['answer']}"
        console.print(f"{each['kind'].upper()}: {what} at {each['time']}", style="bold red", soft_wrap=True)
        line("from", _party(each["from"]))
        line("to", f"{_party(each['to'])} port {each['port']}")
        line("by", f"{each['stage']}: {each['why']}")
        for policy in each["policies"]:
            rule = "" if policy["rule"] is None else f" rule {policy['rule']}"
            origin = f" ({policy['origin']})" if policy["origin"] else ""
            line("", f"{policy['object']}{rule}{origin}")
    if now is not None:
        console.print("As it is configured now:", style="bold", soft_wrap=True)
        print_answers(now)


def _party(party: Json) -> str:
    proven = "proven" if party["proven"] else "not proven"
    identity = f", {party['principal']} ({proven})" if party["principal"] else ""
    pod = f" pod {party['pod']}" if party["pod"] else ""
    return f"{party['label']}{pod} {party['address']}".rstrip() + identity
