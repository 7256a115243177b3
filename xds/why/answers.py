"""The verdict for each kind of pod that a call may come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from xds.explain.arrivals import Arrival, Caller, forwarded, passed_on
from xds.explain.path.steps import End, Way
from xds.explain.path.way import way
from xds.explain.request import HttpRequest, Request
from xds.explain.tokens import judged
from xds.explain.verdict import OUTSIDE, Guard, Stage, Verdict, guard, verdict
from xds.model.refs import ObjectRef
from xds.model.security import MtlsMode
from xds.model.service import Protocol
from xds.translators.authorization.policy import Attribute, Authorization
from xds.view.filters import attached
from xds.view.gateway.routers import router
from xds.view.graph import Graph, call
from xds.view.mutual_tls import mtls
from xds.why.parties import Destination
from xds.why.tokens import Verifier

_ADDRESSES = frozenset({Attribute.PEER_ADDRESS, Attribute.REMOTE_ADDRESS, Attribute.DESTINATION_ADDRESS})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the pods of one workload answer to a request; ``pods`` are their names.

    ``mtls_by`` are the PeerAuthentications that decide; ``unchecked`` issuers whose keys are not known here.
    """

    arrival: Arrival
    pods: tuple[str, ...]
    request: Request
    verdict: Verdict
    guard: Guard | None = None
    mtls_by: tuple[ObjectRef, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def by_address(self) -> bool:
        """Whether a policy there asks for addresses."""
        return self.guard is not None and _asks_for_addresses(self.guard.authorization)


def way_of(graph: Graph, caller: Caller, destination: Destination, http: HttpRequest) -> Way | None:
    """The way of a call through its caller's proxy; None where it has none."""
    if not caller.proven:
        return None
    dialled = destination.dialled(http)
    if caller.router:
        ports = dict(graph.get(call(router, caller.proxy)).ports)
        dialled = replace(dialled, port=ports.get(dialled.port, dialled.port))
    found: Way = graph.get(call(way, caller.proxy, dialled))
    return found


def arriving(graph: Graph, caller: Caller, destination: Destination, path: Way | None) -> tuple[Arrival, ...]:
    """Where a call that goes this way comes to; of the one pod that is meant, if one is."""
    if path is None:
        return destination.arrivals
    if path.end is End.LEAVES and not path.legs:
        found: tuple[Arrival, ...] = graph.get(call(passed_on, destination.address, destination.port))
        found = found or destination.arrivals
    elif path.end in (End.FORWARDED, End.LEAVES):
        found = graph.get(call(forwarded, caller, path.legs))
    else:
        return ()
    return tuple(each for each in found if not destination.only or each.address in destination.only)


def answers(graph: Graph, caller: Caller, arrivals: Iterable[Arrival], http: HttpRequest) -> tuple[Answer, ...]:
    """One answer for each workload behind the destination that answers otherwise than those before it."""
    found: dict[object, Answer] = {}
    for arrival in arrivals:
        answer = _answer(graph, caller, arrival, arrival.http or http)
        owner = arrival.pod.owner if arrival.pod is not None else ""
        same = (owner or answer.pods, answer.verdict.because, answer.verdict.considered, arrival.port, arrival.cluster)
        known = found.get(same)
        found[same] = answer if known is None else replace(known, pods=known.pods + answer.pods)
    return tuple(found.values())


def _answer(graph: Graph, caller: Caller, arrival: Arrival, http: HttpRequest) -> Answer:
    pod = arrival.pod
    # What is sniffed is taken for what was asked here: an HTTP request.
    seen = http if arrival.protocol.is_http or arrival.protocol is Protocol.AUTO else None
    request = Request(arrival.port, arrival.principal, caller.address, arrival.address, arrival.sni, seen)
    if pod is None:
        return Answer(arrival, (arrival.address,), request, verdict(OUTSIDE, request))
    before: Guard = graph.get(call(guard, pod.namespace, pod.labels))
    verifier = Verifier()
    if seen is not None:
        token = judged(before.authentication, seen, verifier)
        request = replace(request, http=replace(seen, token=token))
    taking = call(mtls, pod.namespace, pod.labels)
    graph.get(taking)
    deciding = sorted(ref for ref in graph.provenance(taking) if ref.kind == "PeerAuthentication")
    request = replace(request, broken_off=_broken_off(before, arrival))
    found = verdict(before, request)
    if found.stage is Stage.TOKEN:
        deciding_tokens = graph.provenance(call(attached, pod.namespace, pod.labels))
        found = _blamed(found, sorted(ref for ref in deciding_tokens if ref.kind == "RequestAuthentication"))
    return Answer(
        arrival,
        (f"{pod.namespace}/{pod.ref.name}",),
        request,
        found,
        before,
        tuple(deciding),
        tuple(dict.fromkeys(verifier.unchecked)),
    )


def _broken_off(guard: Guard, arrival: Arrival) -> str:
    """Why TLS never comes about between the caller's proxy and the pod; empty where it does, or none is spoken."""
    if arrival.insists and not guard.sidecar:
        return "the caller speaks mutual TLS to all (ISTIO_MUTUAL), and the pod has no sidecar that takes it"
    if arrival.insists and guard.mtls.at(arrival.port) is MtlsMode.DISABLE:
        return f"the caller speaks mutual TLS to all (ISTIO_MUTUAL), and port {arrival.port} takes plaintext (DISABLE)"
    return arrival.unproven


def _blamed(found: Verdict, by: Sequence[ObjectRef]) -> Verdict:
    """The refusal of a token with those who refuse it: one, or all by name."""
    if len(by) == 1:
        return replace(found, policy=by[0])
    return replace(found, because=f"{found.because}, by {', '.join(map(str, by))}")


def _asks_for_addresses(of: Authorization) -> bool:
    return any(
        condition.attribute in _ADDRESSES
        for policy in of.policies
        for rule in policy.rules
        for part in (*rule.sources, *rule.operations, rule.when)
        for condition in part
    )
