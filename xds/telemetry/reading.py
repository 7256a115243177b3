"""What a series of a proxy is counted under: its labels, as the standard metrics have them, made an edge.

Of its own side a proxy's word is taken for its workload only: its namespace is proven. What it says of the other side
is its view, as it is in every mesh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from xds.audit.refusal import clean
from xds.model.proxy import Proxy
from xds.model.standard_metrics import Metric
from xds.server.metric_messages import Series
from xds.telemetry.histogram import places
from xds.telemetry.nodes import Key, Node
from xds.telemetry.signals import Count

NAMES: Final = frozenset(metric.value for metric in Metric)

_NOTHING: Final = frozenset({"", "-", "unknown"})
_COUNTED_AS: Final = {
    Metric.REQUEST_COUNT.value: Count.REQUESTS,
    Metric.REQUEST_SIZE.value: Count.SENT,
    Metric.RESPONSE_SIZE.value: Count.RECEIVED,
    Metric.TCP_OPENED_CONNECTIONS.value: Count.OPENED,
    Metric.TCP_CLOSED_CONNECTIONS.value: Count.CLOSED,
    # What the proxy received from its client was sent by the caller, on either side.
    Metric.TCP_RECEIVED_BYTES.value: Count.SENT,
    Metric.TCP_SENT_BYTES.value: Count.RECEIVED,
}
_BYTES: Final = frozenset({Count.SENT, Count.RECEIVED})
_PROTOCOLS: Final = frozenset({"http", "grpc", "tcp"})
# Codes of gRPC that say that the server failed: unknown, deadline exceeded, unimplemented, internal, unavailable, lost.
_GRPC_FAILED: Final = frozenset({"2", "4", "12", "13", "14", "15"})
# Flags of Envoy: a circuit breaker's limit is reached, its overload manager lets nothing in. A rate limit is a policy.
_OVERLOADED: Final = frozenset({"UO", "OM"})


class Under(NamedTuple):
    """What a series is counted under.

    ``what`` None is the histogram of durations, whose buckets go to ``places``; ``summed`` is whether its sum is what
    counts. ``outcome`` and ``security`` are counted beside requests (``security`` beside connections). ``caller`` is
    the identity of the caller, where the proxy that was called tells; None where the caller's does.
    """

    key: Key
    what: Count | None
    summed: bool = False
    outcome: tuple[Count, ...] = ()
    security: Count | None = None
    places: tuple[int, ...] = ()
    caller: str | None = None


class Sides(NamedTuple):
    """Who a series is about; ``versions`` are those that are known of workloads, by the nodes' ids."""

    under: Under
    versions: Mapping[str, str]


def read(proxy: Proxy, series: Series) -> Sides | None:
    """What the series is counted under; None when it is none of ours. Texts are fit to be shown."""
    told = {name: clean(value) for name, value in series.labels.items() if value not in _NOTHING}
    reporter = told.get("reporter")
    if reporter not in {"source", "destination"} or series.name not in NAMES:
        return None
    at_source = reporter == "source"
    if not at_source and _before_handshake(told):
        return None
    own = Node("workload", proxy.namespace, told.get(f"{reporter}_workload") or clean(proxy.name))
    source = own if at_source else Node()
    destination = _destination(told) if at_source else own
    count = _COUNTED_AS.get(series.name)
    protocol = told.get("request_protocol", "")
    key = Key(source.id, destination.id, _host(told), protocol if protocol in _PROTOCOLS else "http")
    under = Under(
        key,
        count,
        summed=count in _BYTES and bool(series.bounds),
        outcome=_outcome(told) if count is Count.REQUESTS else (),
        security=_security(told, destination) if count in {Count.REQUESTS, Count.OPENED} else None,
        places=places(series.bounds) if count is None else (),
        caller=None if at_source else told.get("source_principal", ""),
    )
    version = told.get(f"{reporter}_version")
    versions = {own.id: version} if version else {}
    if at_source and destination.kind == "workload" and (theirs := told.get("destination_version")):
        versions.setdefault(destination.id, theirs)
    return Sides(under, versions)


def outcome_of(labels: Mapping[str, str]) -> tuple[Count, ...]:
    """What a request with these labels counts as beside a request; nothing where it did not fail."""
    return _outcome({name: value for name, value in labels.items() if value not in _NOTHING})


def service_namespace(series: Series) -> tuple[str, str]:
    """The host of the service and its namespace; ``""`` where there is none."""
    host = series.labels.get("destination_service", "")
    namespace = series.labels.get("destination_service_namespace", "")
    return ("" if host in _NOTHING else clean(host), "" if namespace in _NOTHING else clean(namespace))


def _host(told: Mapping[str, str]) -> str:
    """The service that was called; Envoy's name for where it went when that is none."""
    return told.get("destination_service") or told.get("destination_service_name", "")


def _before_handshake(told: Mapping[str, str]) -> bool:
    """Whether a connection was opened to the server before its caller had proven who it is: its own report counts."""
    return told.get("connection_security_policy") == "mutual_tls" and "source_principal" not in told


def _destination(told: Mapping[str, str]) -> Node:
    workload, namespace = told.get("destination_workload"), told.get("destination_workload_namespace")
    if workload and namespace:
        return Node("workload", namespace, workload)
    host = _host(told)
    if not host or ".svc." in f"{host}.":
        return Node(name=host)  # of the mesh, and no endpoint of it was reached
    return Node("external", "", host)


def _outcome(told: Mapping[str, str]) -> tuple[Count, ...]:
    error = _error(told)
    found = () if error is None else (error,)
    refused = not _OVERLOADED.isdisjoint(told.get("response_flags", "").split(","))
    return (*found, Count.OVERLOADED) if refused else found


def _error(told: Mapping[str, str]) -> Count | None:
    """What it counts as, beside a request: of gRPC the status says it, which travels with code 200."""
    code, status = told.get("response_code", ""), told.get("grpc_response_status", "0")
    if code.startswith("5"):
        return Count.ERRORS_5XX
    if code.startswith("4"):
        return Count.ERRORS_4XX
    if told.get("request_protocol") == "grpc" and status != "0":
        return Count.ERRORS_5XX if status in _GRPC_FAILED else Count.ERRORS_4XX
    return None


def _security(told: Mapping[str, str], destination: Node) -> Count | None:
    """What the reporter says, else whether the server has shown a certificate of the mesh, if a connection was made."""
    policy = told.get("connection_security_policy")
    if policy == "mutual_tls" or (policy is None and told.get("destination_principal")):
        return Count.MUTUAL
    reached = destination.kind == "workload" and not told.get("response_flags")
    return Count.PLAIN if policy == "none" or (policy is None and reached) else None
