"""The verdict for each kind of pod that a call may come to."""

from __future__ import annotations

from dataclasses import dataclass, replace

from xds.cli.parties import Destination
from xds.cli.tokens import Verifier
from xds.explain.arrivals import Arrival, Caller
from xds.explain.request import HttpRequest, Request
from xds.explain.tokens import judged
from xds.explain.verdict import OUTSIDE, Guard, Verdict, guard, verdict
from xds.model.refs import ObjectRef
from xds.model.service import Protocol
from xds.translators.authorization.policy import Attribute, Authorization
from xds.view.graph import Graph, call
from xds.view.mutual_tls import mtls

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


def answers(graph: Graph, caller: Caller, destination: Destination, http: HttpRequest) -> tuple[Answer, ...]:
    """One answer for each workload behind the destination that answers otherwise than those before it."""
    found: dict[object, Answer] = {}
    for arrival in destination.arrivals:
        answer = _answer(graph, caller, arrival, http)
        owner = arrival.pod.owner if arrival.pod is not None else ""
        same = (owner or answer.pods, answer.verdict.because, answer.verdict.considered, arrival.port)
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
    return Answer(
        arrival,
        (f"{pod.namespace}/{pod.ref.name}",),
        request,
        verdict(before, request),
        before,
        tuple(deciding),
        tuple(dict.fromkeys(verifier.unchecked)),
    )


def _asks_for_addresses(of: Authorization) -> bool:
    return any(
        condition.attribute in _ADDRESSES
        for policy in of.policies
        for rule in policy.rules
        for part in (*rule.sources, *rule.operations, rule.when)
        for condition in part
    )
