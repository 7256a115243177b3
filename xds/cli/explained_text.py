"""What ``plait explain`` tells, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from xds.cli.output import stdout

Json = dict[str, Any]

_STYLES: Final = {
    "allowed": "bold green",
    "answered": "bold green",
    "denied": "bold red",
    "unreachable": "bold red",
    "asks": "bold yellow",
}


def print_answers(told: Json) -> None:
    """The verdict first, then who and what was meant, what decided, what else was considered; then the way there."""
    from rich.text import Text

    console = stdout()

    def line(name: str, text: str) -> None:
        console.print(Text(f"  {name:<6}", "dim").append(text, "default"), soft_wrap=True)

    for answer in told["answers"]:
        first = Text(answer["verdict"].upper(), _STYLES[answer["verdict"]])
        console.print(first.append(f": {_headline(told, answer)}", "default"), soft_wrap=True)
        for name, text in _lines(told, answer):
            line(name, text)
        for text in _looked_at(answer):
            console.print(f"    {text}", soft_wrap=True)
    if not told["answers"]:
        first = Text(told["verdict"].upper(), _STYLES[told["verdict"]])
        console.print(first.append(f": {_end(told)}", "default"), soft_wrap=True)
        line("from", f"{told['source']['name']} {told['source']['address']}".rstrip())
        line("to", _called(told))
    if told["path"] is not None:
        console.print("  way", style="dim", soft_wrap=True)
        for text in _way(told["path"]):
            console.print(f"    {text}", soft_wrap=True)
    for text in _lately(told["lately"]):
        console.print(text, soft_wrap=True, highlight=False, markup=False)
    for note in told["notes"]:
        console.print(Text("note: ", "yellow").append(note, "default"), soft_wrap=True)


def _lately(found: Iterable[Json]) -> Iterable[str]:
    """What failed, why and by whose fault; then when, and who told of it."""
    for number, each in enumerate(found):
        if not number:
            yield "  lately"
        often = f"{each['times']} times since {each['first']}, the last" if each["times"] > 1 else "once,"
        request = f" (request id {each['requestId']})" if each["requestId"] else ""
        yield f"    {each['says']}{_guilty(each['by'], each['says'])}"
        yield f"      {often} at {each['last']}: {each['request']}{request}, told by {each['toldBy']}"


def _end(told: Json) -> str:
    path = told["path"]
    if path is None or path["end"] == "forwarded":
        return "the one pod that is meant is not among those that the route leads to"
    status = f" ({path['status']})" if path["status"] and str(path["status"]) not in path["because"] else ""
    return f"{path['because']}{status}{_guilty(path['decidedBy'], path['because'])}"


def _stands(fields: Iterable[Json]) -> str:
    return "".join(f"  {each['at']}" for each in fields if each["at"])


def _guilty(fields: Sequence[Json], said: str) -> str:
    """The objects that are to blame, unless it is said already, and where they stand."""
    more = [" ".join(filter(None, (each["object"], each["field"]))) for each in fields if each["object"] not in said]
    named = f" [{', '.join(dict.fromkeys(more))}]" if more else ""
    return named + _stands(fields)


def _called(told: Json) -> str:
    to = told["destination"]
    return f"{to['service'] or to['host']} port {to['port']}{_at(to)}"


def _way(path: Json) -> Iterable[str]:
    for step in path["steps"]:
        yield f"{step['step']:<9}{step['says']}{_stands(step['by'])}"
    for leg in path["destinations"]:
        share = f"{leg['share']:g}% " if len(path["destinations"]) > 1 else ""
        rule = f", by {leg['rule']}" if leg["rule"] else ""
        behind = "found by name" if leg["resolved"] else f"{leg['healthy']} of {leg['endpoints']} endpoints healthy"
        found = leg["fault"] or f"{behind}, {leg['tls']}{rule}"
        yield f"{'to':<9}{share}{leg['cluster']}: {found}{_guilty(leg['guilty'], found)}"


def _headline(told: Json, answer: Json) -> str:
    status = f" ({answer['status']})" if answer["status"] >= 400 else ""
    by = answer["decidedBy"]
    deciding = [by] if by is not None else _mtls_deciders(answer)
    named = [each["object"] for each in deciding if each["object"] not in answer["because"]]
    blamed = f" [{', '.join(named)}]" if named else ""
    return f"{answer['because']}{status}{blamed}{''.join(map(_at, deciding))}"


def _mtls_deciders(answer: Json) -> Sequence[Json]:
    """Those whose mutual TLS refuses the call."""
    refused = answer["verdict"] == "denied" and answer["stage"] == "mTLS"
    return answer["mtls"]["decidedBy"] if refused else ()


def _at(known: Json | None) -> str:
    return f"  {known['at']}" if known is not None and known["at"] else ""


def _lines(told: Json, answer: Json) -> Iterable[tuple[str, str]]:
    source = told["source"]
    identity = f", proven as {answer['principal']}" if answer["principal"] else ", identity not proven"
    yield "from", f"{source['name']} {source['address']}".rstrip() + identity
    destination = told["destination"]
    service = f"{destination['service']} port {destination['port']}" if destination["service"] else "no service"
    pods = ", ".join(answer["pods"][:3]) + (" ..." if len(answer["pods"]) > 3 else "")
    yield "to", f"{service}, {pods} port {answer['port']} ({answer['protocol']}){_at(destination)}"
    request = answer["request"]
    if request is not None:
        token = "" if request["token"] == "none" else ", with a token"
        yield "asks", f"{request['method']} {request['path']} of {request['authority']}{token}"
    if answer["mtls"]["mode"]:
        yield "mTLS", _mtls(answer["mtls"])
    if answer["asks"]:
        yield "asks", f"external authorizer {answer['asks']}"
    for each in answer["audited"]:
        yield "audit", f"{each['object']} rules[{each['rule']}]{_at(each)}"
    dry = answer["withDryRuns"]
    if dry is not None:
        yield "dry", f"with dry runs in force: {dry['verdict']}, {dry['because']}{_at(dry['decidedBy'])}"


def _mtls(mtls: Json) -> str:
    spoken = "the caller speaks mutual TLS" if mtls["spoken"] else "the caller speaks plaintext"
    by = "; ".join(f"{each['object']}{_at(each)}" for each in mtls["decidedBy"])
    return f"{mtls['mode']}, {spoken}{f'  {by}' if by else ''}"


def _looked_at(answer: Json) -> Iterable[str]:
    for each in answer["considered"]:
        dry = ", dry run" if each["dryRun"] else ""
        matched = f"matches by rules[{each['rule']}]" if each["rule"] is not None else "does not match"
        yield f"{each['action']}{dry}: {each['object']} {matched}{_at(each)}"
        yield from (f"    {miss}" for miss in each["misses"])
