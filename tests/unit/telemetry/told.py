"""Messages of the metrics service as a stock Envoy with our loggers sends them, and proxies that send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric, NumberDataPoint

from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot, Table
from xds.model.told_metrics import LABEL, VERSION, WORKLOAD, Side, Told, text
from xds.model.workload import Injection, Workload
from xds.server.metric_messages import told
from xds.server.metrics_service import Counted
from xds.slices import at_once
from xds.telemetry.reading import Under
from xds.telemetry.telemetry import Telemetry
from xds.telemetry.unfolded import Unfolded

DURATION_BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000)


@dataclass(frozen=True)
class Call:
    """A call as labels tell it. ``reporter`` is the side that tells."""

    source: str = "web"
    destination: str = "db"
    service: str = "db.shop.svc.cluster.local"
    reporter: str = "source"
    protocol: str = "http"
    principal: str = "spiffe://cluster.local/ns/shop/sa/web"
    secure: bool = True
    more: Mapping[str, str] = field(default_factory=dict)

    def labels(self, **outcome: str) -> dict[str, str]:
        at_source = self.reporter == "source"
        return {
            "reporter": self.reporter,
            "source_workload": self.source if at_source else "unknown",
            "source_workload_namespace": "shop" if at_source else "unknown",
            "source_principal": self.principal if self.secure else "",
            "destination_workload": self.destination,
            "destination_workload_namespace": "shop" if self.destination else "",
            "destination_principal": "spiffe://cluster.local/ns/shop/sa/db" if self.secure else "",
            "destination_service": self.service,
            "destination_service_namespace": "shop",
            "request_protocol": self.protocol,
            "connection_security_policy": "unknown" if at_source else "mutual_tls" if self.secure else "none",
            **self.more,
            **outcome,
        }


_TOLD = {
    "istio_requests_total": Told.REQUESTS,
    "istio_request_duration_milliseconds": Told.DURATION,
    "istio_tcp_connections_opened_total": Told.OPENED,
    "istio_tcp_connections_closed_total": Told.CLOSED,
    "istio_tcp_received_bytes_total": Told.RECEIVED,
    "istio_tcp_sent_bytes_total": Told.SENT,
}


def _folded(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels of the standard metrics as they are told."""
    if not labels:
        return {}
    at_source = labels["reporter"] == "source"
    own, other = ("source", "destination") if at_source else ("destination", "source")
    mutual = labels["connection_security_policy"] == "mutual_tls"
    side = Side.SOURCE if at_source else Side.PROVEN if mutual else Side.PLAIN
    fields = {
        "side": side.of(labels["request_protocol"]),
        "host": labels["destination_service"],
        "namespace": labels["destination_service_namespace"],
        "status": labels.get("grpc_response_status", ""),
        "code": labels.get("response_code", ""),
        "flags": labels.get("response_flags", ""),
        "workload": labels["destination_workload"] if at_source else "",
        "version": labels.get("destination_version", "") if at_source else "",
        "principal": labels[f"{other}_principal"],
    }
    return {LABEL: text(fields), WORKLOAD: labels[f"{own}_workload"], VERSION: labels.get(f"{own}_version", "")}


def _attributes(labels: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in labels.items()]


def counter(name: str, labels: Mapping[str, str], number: float) -> Metric:
    made = Metric(name=_TOLD[name].value)
    made.sum.data_points.append(NumberDataPoint(attributes=_attributes(_folded(labels)), as_double=number))
    return made


def gauge(name: str, number: int) -> Metric:
    made = Metric(name=name)
    made.gauge.data_points.append(NumberDataPoint(as_int=number))
    return made


def histogram(
    name: str, labels: Mapping[str, str], found: Sequence[float], bounds: Sequence[float] = DURATION_BOUNDS
) -> Metric:
    below = [sum(each <= bound for each in found) for bound in bounds]
    counts = [upto - before for before, upto in zip([0, *below], [*below, len(found)], strict=True)]
    made = Metric(name=_TOLD[name].value)
    made.histogram.data_points.append(
        HistogramDataPoint(
            attributes=_attributes(_folded(labels)),
            count=len(found),
            sum=sum(found),
            bucket_counts=counts,
            explicit_bounds=bounds,
        )
    )
    return made


def requests(
    call: Call, number: float, code: str = "200", took_ms: Sequence[float] = (), **outcome: str
) -> list[Metric]:
    """So many requests that ended alike, and how long they took."""
    ended = {"response_code": code, "response_flags": "-", **outcome}
    found = [counter("istio_requests_total", call.labels(**ended), number)]
    if took_ms:
        found.append(histogram("istio_request_duration_milliseconds", call.labels(), took_ms))
    return found


def message(metrics: Sequence[Metric], node: str = "") -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    of = made.resource_metrics.add()
    of.resource.attributes.extend(_attributes({"id": node} if node else {}))
    of.scope_metrics.add(metrics=metrics)
    return made


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 1_795_289_000.0

    def __call__(self) -> float:
        return self.now


def pod(name: str, *, proxied: bool, account: str = "") -> Workload:
    ref = ObjectRef("", "Pod", "shop", name)
    return Workload(ref, service_account=account or name, owner=name, injection=Injection(done=proxied))


def proxy(name: str) -> Proxy:
    """The proxy of that name."""
    return Proxy(f"sidecar~10.0.0.1~{name}-0.shop~shop.svc", namespace="shop", name=f"{name}-0", service_account=name)


def tell(telemetry: Telemetry, name: str, families: Sequence[Metric]) -> None:
    """Have the proxy of that name tell."""
    own = proxy(name)
    sink = Unfolded(telemetry)
    counted = list[Counted[Under]]()
    for value in told(message(families).SerializeToString()).values(sink.names):
        under = sink.under(own, value.series())
        if under is not None:
            counted.append(Counted(under, value))
    at_once(sink.counted(own, counted, 0))


def mesh(*pods: Workload) -> Snapshot:
    """A mesh of these pods."""
    return Snapshot({Table.WORKLOAD: {(each.namespace, each.ref.name): (each,) for each in pods}})
