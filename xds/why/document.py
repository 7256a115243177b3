"""What is told of a call, as a document for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xds.explain.path.seen import is_hidden
from xds.explain.path.steps import End, Leg, Way
from xds.explain.request import HttpRequest, Refused
from xds.explain.rules import Considered
from xds.explain.verdict import Verdict
from xds.model.gateway import API_GROUP, ISTIO_GROUP
from xds.model.problem import Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.service import Protocol
from xds.why.answers import Answer
from xds.why.mesh import KnownMesh
from xds.why.parties import Destination, Source
from xds.why.places import Places

Json = dict[str, Any]

_SECURITY: Final = "security.istio.io"
_ROUTING: Final = frozenset({ISTIO_GROUP, API_GROUP})
_WORST: Final = ("allowed", "asks", "denied")
_ENDS: Final = {End.FAILS: "unreachable", End.ANSWERED: "answered", End.LEAVES: "allowed", End.FORWARDED: "unreachable"}


@dataclass(frozen=True, slots=True)
class Told:
    """What was asked, and what was found: ``way`` is None where the caller has no proxy."""

    source: Source
    destination: Destination
    answers: Sequence[Answer]
    way: Way | None


def document(told: Told, known: KnownMesh) -> Json:
    """All that is known of a call: its way, and an ``answers`` item for each workload that answers otherwise."""
    places = Places(known.origin_of)
    caller, destination = told.source.caller, told.destination
    answers = [_answer(answer, places) for answer in told.answers]
    return {
        "verdict": _verdict(told.way, answers),
        "source": {"name": told.source.name, "serviceAccount": caller.account, "address": caller.address},
        "destination": {
            "host": destination.host,
            "port": destination.port,
            "service": str(destination.service) if destination.service is not None else "",
            "at": places.of(destination.service),
        },
        "path": _path(told.way, places) if told.way is not None else None,
        "answers": answers,
        "notes": _notes(told, known),
    }


def _verdict(way: Way | None, answers: Sequence[Json]) -> str:
    """The worst of the answers; without any, what becomes of the call on its way."""
    if answers:
        return str(max((each["verdict"] for each in answers), key=_WORST.index))
    return _ENDS[way.end] if way is not None else "unreachable"


def _path(way: Way, places: Places) -> Json:
    def fields(found: Iterable[FieldRef]) -> list[Json]:
        return [{"object": str(at.object), "field": at.dotted, "at": places.field(at)} for at in found]

    return {
        "end": way.end.value,
        "because": way.because,
        "status": way.status,
        "http": way.http,
        "decidedBy": fields(way.guilty),
        "steps": [{"step": each.what, "says": each.says, "by": fields(each.by)} for each in way.steps],
        "destinations": [_leg(each) | {"guilty": fields(each.guilty)} for each in way.legs],
    }


def _leg(leg: Leg) -> Json:
    return {
        "cluster": leg.cluster,
        "share": round(leg.share, 2),
        "service": str(leg.service) if leg.service is not None else "",
        "subset": leg.subset,
        "rule": str(leg.rule) if leg.rule is not None else "",
        "endpoints": len(leg.endpoints),
        "healthy": leg.healthy,
        "resolved": leg.resolved,
        "tls": leg.tls,
        "fault": leg.fault,
    }


def _answer(answer: Answer, places: Places) -> Json:
    arrival, verdict, request = answer.arrival, answer.verdict, answer.request
    return {
        "verdict": verdict.outcome.value,
        "status": verdict.status,
        "stage": verdict.stage.value,
        "because": verdict.because,
        "decidedBy": _object(verdict.policy, places, verdict.rule),
        "pods": list(answer.pods),
        "cluster": arrival.cluster,
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


def _object(ref: ObjectRef | None, places: Places, rule: int | None = None) -> Json | None:
    if ref is None:
        return None
    return {"object": str(ref), "rule": rule, "at": places.of(ref, rule)}


def _request(http: HttpRequest | None) -> Json | None:
    if http is None:
        return None
    token = http.token
    told = "refused" if isinstance(token, Refused) else "none" if token is None else dict(token)
    return {"method": http.method, "path": http.path, "authority": http.authority, "token": told}


def _considered(each: Considered, places: Places) -> Json:
    return {
        "object": str(each.ref),
        "at": places.of(each.ref, each.rule),
        "action": each.action.value,
        "dryRun": each.dry_run,
        "rule": each.rule,
        "misses": list(each.misses) if not each.matched else [],
    }


def _enforced(verdict: Verdict | None, places: Places) -> Json | None:
    if verdict is None:
        return None
    decided = _object(verdict.policy, places, verdict.rule)
    return {"verdict": verdict.outcome.value, "because": verdict.because, "decidedBy": decided}


def _concerns(ref: ObjectRef, near: set[str]) -> bool:
    return ref.group == _SECURITY or (ref.group in _ROUTING and ref.namespace in near)


def _notes(told: Told, known: KnownMesh) -> list[str]:
    """What the reader must know to trust the answer."""
    found = told.answers
    near = {told.source.caller.namespace, told.destination.service.namespace if told.destination.service else ""}
    notes = [
        f"{problem.at.object} is not in force: {problem.at.dotted} {problem.message}"
        for problem in known.problems
        if problem.severity is Severity.ERROR and _concerns(problem.at.object, near)
    ]
    steps = told.way.steps if told.way is not None and told.way.end is not End.FAILS else ()
    unseen = filter(is_hidden, steps)
    notes += [f"its caller's proxy sees {each.says}; so nothing of the mesh is done on the way" for each in unseen]
    legs = told.way.legs if told.way is not None and told.way.end is not End.FAILS else ()
    notes += [f"{leg.share:g}% of requests get {leg.status}: {leg.fault}" for leg in legs if leg.fault and leg.share]
    issuers = dict.fromkeys(issuer for answer in found for issuer in answer.unchecked)
    notes += [f"the token was taken at its word: the keys of {issuer} are fetched by what runs" for issuer in issuers]
    made_up = known.made_up_addresses & {pod for answer in found if answer.by_address for pod in answer.pods}
    if made_up:
        notes.append("policies here ask for addresses, and those of pods that do not run are made up; see --ip")
    return notes
