"""Requests that were refused or failed lately, by their ``x-request-id``: what proxies said of them, as it was kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xds.cli.control_plane import control_plane
from xds.cli.failure import Failure
from xds.cli.output import stdout
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.failed.call import FailedCalls
    from xds.why.question import Question

Json = Mapping[str, Any]


def past(where: Where, request_id: str) -> Sequence[Json]:
    """What was refused under that id, the oldest first."""
    told = control_plane(where).ask_each("/debug/audit", request_id=request_id)
    found = [each for answer in told.values() if answer for each in answer["refusals"]]
    return sorted((each for each in found if each.get("request_id") == request_id), key=lambda each: str(each["time"]))


def unknown(request_id: str) -> Failure:
    """What is said of a request that nobody knows."""
    return Failure(
        f"nobody knows a request {request_id!r}: proxies tell within two seconds of what they refuse, would refuse or "
        "audit, of which the latest 10,000 are kept, and of what fails, of which the last 20 of each kind are kept"
    )


def made_again(failed: Sequence[FailedCalls], request_id: str) -> Question | None:
    """The call that failed as a question: as its caller's proxy told it, else as that of who was called."""
    from xds.why.question import Question

    for kind in sorted(failed, key=lambda each: each.inbound):
        call, (_, _, port) = kind.latest[-1], kind.latest[-1].dialled.rpartition(":")
        host, colon, stated = call.host.rpartition(":")
        called = kind.reporter if kind.inbound else (host if colon and stated.isdecimal() else call.host)
        if not port or not called or (kind.inbound and not call.source):
            continue
        caller = call.source if kind.inbound else kind.reporter
        headers = (f"host:{call.host}",) if call.host else ()
        method, path = call.method if call.method not in ("", "other") else "GET", call.path or "/"
        return Question(caller, f"{called}:{port}", method, path, headers=headers, request_id=request_id)
    return None


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


def print_past(refusals: Iterable[Json], now: dict[str, Any] | None, failed: Iterable[FailedCalls] = ()) -> None:
    """What was decided, by whom and why; then what would be decided now, below which it stands why a call failed."""
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
    for kind in failed:
        call = kind.latest[-1]
        asked = f"{call.method} {call.host}{call.path}" if call.method else f"connection to {call.dialled}"
        told = f"FAILED: {asked} ended with {call.outcome} at {call.when}"
        console.print(told, style="bold red", soft_wrap=True, highlight=False, markup=False)
        line("by", f"{kind.reporter}, {'to which it came' if kind.inbound else 'whose call it was'}")
    if now is not None:
        console.print("As it is configured now:", style="bold", soft_wrap=True)
        print_answers(now)


def _party(party: Json) -> str:
    proven = "proven" if party["proven"] else "not proven"
    identity = f", {party['principal']} ({proven})" if party["principal"] else ""
    pod = f" pod {party['pod']}" if party["pod"] else ""
    return f"{party['label']}{pod} {party['address']}".rstrip() + identity
