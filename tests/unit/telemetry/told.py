"""Messages of the metrics service as a stock Envoy sends them, and proxies that send them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from xds.api.envoy.service.metrics.v3.metrics_service_pb2 import StreamMetricsMessage
from xds.api.third_party.io.prometheus.client.metrics_pb2 import Metric, MetricFamily, MetricType
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Injection, Workload
from xds.server.metric_messages import values
from xds.server.metrics_service import Counted
from xds.telemetry.reading import Under
from xds.telemetry.telemetry import Telemetry

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


def family(name: str, labels: Mapping[str, str], **value: Any) -> MetricFamily:
    """A family of one series, as Envoy has them."""
    kind = (
        MetricType.HISTOGRAM if "histogram" in value else MetricType.GAUGE if "gauge" in value else MetricType.COUNTER
    )
    pairs = [{"name": key, "value": text} for key, text in labels.items()]
    return MetricFamily(name=name, type=kind, metric=[Metric(label=pairs, **value)])


def counter(name: str, labels: Mapping[str, str], number: float) -> MetricFamily:
    return family(name, labels, counter={"value": number})


def histogram(
    name: str, labels: Mapping[str, str], found: Sequence[float], bounds: Sequence[float] = DURATION_BOUNDS
) -> MetricFamily:
    buckets = [{"upper_bound": bound, "cumulative_count": sum(each <= bound for each in found)} for bound in bounds]
    return family(name, labels, histogram={"sample_count": len(found), "sample_sum": sum(found), "bucket": buckets})


def requests(
    call: Call, number: float, code: str = "200", took_ms: Sequence[float] = (), **outcome: str
) -> list[MetricFamily]:
    """So many requests that ended alike, and how long they took."""
    ended = {"response_code": code, "response_flags": "-", **outcome}
    found = [counter("istio_requests_total", call.labels(**ended), number)]
    if took_ms:
        found.append(histogram("istio_request_duration_milliseconds", call.labels(), took_ms))
    return found


def message(families: Sequence[MetricFamily], node: str = "") -> StreamMetricsMessage:
    made = StreamMetricsMessage(envoy_metrics=families)
    if node:
        made.identifier.node.id = node
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


def tell(telemetry: Telemetry, name: str, families: Sequence[MetricFamily]) -> None:
    """Have the proxy of that name tell."""
    proxy = Proxy(f"sidecar~10.0.0.1~{name}-0.shop~shop.svc", namespace="shop", name=f"{name}-0", service_account=name)
    counted = list[Counted[Under]]()
    for value in values(message(families).SerializeToString(), telemetry.names):
        under = telemetry.under(proxy, value.series())
        if under is not None:
            counted.append(Counted(under, value))
    telemetry.counted(proxy, counted, 0)


def mesh(*pods: Workload) -> Snapshot:
    """A mesh of these pods."""
    return Snapshot({Table.WORKLOAD: {(each.namespace, each.ref.name): (each,) for each in pods}})
