"""What ``plait explain`` tells: a document for programs, the same as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from xds.cli.answers import Answer
from xds.cli.manifests import Manifests
from xds.cli.output import stdout
from xds.cli.parties import Destination, Source
from xds.explain.request import HttpRequest, Refused
from xds.explain.rules import Considered
from xds.explain.verdict import Verdict
from xds.model.problem import Severity
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.service import Protocol
from xds.sources.files import locate

Json = dict[str, Any]

_SECURITY: Final = "security.istio.io"
_STYLES: Final = {"allowed": "bold green", "denied": "bold red", "asks": "bold yellow"}
_WORST: Final = ("allowed", "asks", "denied")


class _Places:
    """Where objects and their rules stand."""

    def __init__(self, known: Manifests) -> None:
        self._origins: Mapping[ObjectRef, Origin] = {each.ref: each.origin for each in known.objects}

    def of(self, ref: ObjectRef | None, rule: int | None = None) -> str:
        """``file:line`` of an object, or of a rule of it; ``""`` where unknown."""
        origin = self._origins.get(ref) if ref is not None else None
        if ref is None or origin is None:
            return ""
        return str(origin if rule is None else locate(FieldRef(ref, ("spec", "rules", rule)), origin))


def document(source: Source, destination: Destination, found: Sequence[Answer], known: Manifests) -> Json:
    """All that is known of a call: one ``answers`` item for each workload that answers otherwise than the others."""
    places = _Places(known)
    caller = source.caller
    told = [_answer(answer, places, known) for answer in found]
    return {
        "verdict": max((each["verdict"] for each in told), key=_WORST.index),
        "source": {"name": source.name, "serviceAccount": caller.account, "address": caller.address},
        "destination": {
            "host": destination.host,
            "port": destination.port,
            "service": str(destination.service) if destination.service is not None else "",
            "at": places.of(destination.service),
        },
        "answers": told,
        "notes": _notes(found, known),
    }


def _answer(answer: Answer, places: _Places, known: Manifests) -> Json:
    arrival, verdict, request = answer.arrival, answer.verdict, answer.request
    return {
        "verdict": verdict.outcome.value,
        "status": verdict.status,
        "stage": verdict.stage.value,
        "because": verdict.because,
        "decidedBy": _object(verdict.policy, places, verdict.rule),
        "pods": list(answer.pods),
        "port": arrival.port,
        "protocol": _protocol(arrival.protocol, request.http),
        "principal": request.principal,
        "mtls": {
            "mode": answer.guard.mtls.at(arrival.port).value if answer.guard is not None else "",
            "spoken": bool(request.principal),
            "decidedBy": [_object(ref, places) for ref in (*answer.mtls_by, *_some(arrival.rule))],
        },
        "request": _request(request.http),
        "asks": verdict.asks,
        "audited": [_object(each.ref, places, each.rule) for each in verdict.audited],
        "considered": [_considered(each, places) for each in verdict.considered],
        "withDryRuns": _enforced(verdict.enforced, places),
    }


def _some(ref: ObjectRef | None) -> tuple[ObjectRef, ...]:
    return () if ref is None else (ref,)


def _protocol(declared: Protocol, http: HttpRequest | None) -> str:
    if declared is Protocol.AUTO:
        return "HTTP (detected)"
    return declared.value if http is not None else f"{declared.value}, seen as connections"


def _object(ref: ObjectRef | None, places: _Places, rule: int | None = None) -> Json | None:
    if ref is None:
        return None
    return {"object": str(ref), "rule": rule, "at": places.of(ref, rule)}


def _request(http: HttpRequest | None) -> Json | None:
    if http is None:
        return None
    token = http.token
    told = "refused" if isinstance(token, Refused) else "none" if token is None else dict(token)
    return {"method": http.method, "path": http.path, "authority": http.authority, "token": told}


def _considered(each: Considered, places: _Places) -> Json:
    return {
        "object": str(each.ref),
        "at": places.of(each.ref, each.rule),
        "action": each.action.value,
        "dryRun": each.dry_run,
        "rule": each.rule,
        "misses": list(each.misses) if not each.matched else [],
    }


def _enforced(verdict: Verdict | None, places: _Places) -> Json | None:
    if verdict is None:
        return None
    decided = _object(verdict.policy, places, verdict.rule)
    return {"verdict": verdict.outcome.value, "because": verdict.because, "decidedBy": decided}


def _notes(found: Iterable[Answer], known: Manifests) -> list[str]:
    """What the reader must know to trust the answer."""
    notes = [
        f"{problem.at.object} is not in force: {problem.at.dotted} {problem.message}"
        for problem in known.problems
        if problem.severity is Severity.ERROR and problem.at.object.group == _SECURITY
    ]
    issuers = dict.fromkeys(issuer for answer in found for issuer in answer.unchecked)
    notes += [f"the token was taken at its word: the keys of {issuer} are fetched by what runs" for issuer in issuers]
    made_up = known.made_up_addresses & {pod for answer in found if answer.by_address for pod in answer.pods}
    if made_up:
        notes.append("policies here ask for addresses, and those of pods that do not run are made up; see --ip")
    return notes


# -- for people


def print_answers(told: Json) -> None:
    """The verdict first, then who and what was meant, what decided, and what else was considered."""
    from rich.text import Text

    console = stdout()
    for answer in told["answers"]:
        line = Text(answer["verdict"].upper(), _STYLES[answer["verdict"]])
        console.print(line.append(f": {_headline(told, answer)}", "default"), soft_wrap=True)
        for name, text in _lines(told, answer):
            console.print(Text(f"  {name:<6}", "dim").append(text, "default"), soft_wrap=True)
        for text in _looked_at(answer):
            console.print(f"    {text}", soft_wrap=True)
    for note in told["notes"]:
        console.print(Text("note: ", "yellow").append(note, "default"), soft_wrap=True)


def _headline(told: Json, answer: Json) -> str:
    status = f" ({answer['status']})" if answer["status"] >= 400 else ""
    return f"{answer['because']}{status}{_at(answer['decidedBy'])}"


def _at(known: Json | None) -> str:
    return f"  {known['at']}" if known is not None and known["at"] else ""


def _lines(told: Json, answer: Json) -> Iterable[tuple[str, str]]:
    source, destination = told["source"], told["destination"]
    identity = f", proven as {answer['principal']}" if answer["principal"] else ", identity not proven"
    yield "from", f"{source['name']} {source['address']}".rstrip() + identity
    service = f"{destination['service']} port {destination['port']}" if destination["service"] else "no service"
    where = f"  {destination['at']}" if destination["at"] else ""
    pods = ", ".join(answer["pods"][:3]) + (" ..." if len(answer["pods"]) > 3 else "")
    yield "to", f"{service}, {pods} port {answer['port']} ({answer['protocol']}){where}"
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
