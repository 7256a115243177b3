"""Where proxies' telemetry goes: the collectors of MeshConfig's ``extensionProviders``, and those that are built in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from xds.model.route import Destination
from xds.model.telemetry import NO_TRACING, Tracing

STDOUT: Final = "/dev/stdout"
ENVOY: Final = "envoy"
"""The provider of access logs that needs no MeshConfig: standard output, in MeshConfig's format."""

SAMPLED: Final = "sampled"
"""What logs where nobody says anything: errors, what is slow, and a sample of the rest."""


@dataclass(frozen=True, slots=True)
class FileLog:
    """A file of the proxy's. ``text`` is its format, ``labels`` that of JSON as JSON text; Istio's own with neither.

    ``json`` is whether Istio's own format is that of JSON.
    """

    path: str = STDOUT
    text: str = ""
    labels: str = ""
    json: bool = False
    omit_empty: bool = False


@dataclass(frozen=True, slots=True)
class GrpcLog:
    """Envoy's gRPC access log; of connections if ``tcp``, else of requests. ``cluster`` is filled in by the view."""

    service: Destination
    log_name: str
    tcp: bool = False
    filter_state: tuple[str, ...] = ()
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()
    response_trailers: tuple[str, ...] = ()
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class OtelLog:
    """OpenTelemetry's logs, over gRPC; ``text`` is the body. ``cluster`` is filled in by the view."""

    service: Destination
    log_name: str
    text: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class OtelTracer:
    """OpenTelemetry's traces, over gRPC, or over HTTP to ``path``. ``cluster`` is filled in by the view."""

    service: Destination
    path: str = ""
    timeout: timedelta = timedelta(seconds=3)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may have a token
    longest_path: int = 0
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class ZipkinTracer:
    """A Zipkin. ``cluster`` is filled in by the view."""

    service: Destination
    path: str = "/api/v2/spans"
    short_ids: bool = False
    w3c: bool = False
    longest_path: int = 0
    cluster: str = ""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Prometheus, which asks the proxies by itself."""


Log = FileLog | GrpcLog | OtelLog
Tracer = OtelTracer | ZipkinTracer


@dataclass(frozen=True, slots=True)
class Provider:
    """One of them, by the name that Telemetry objects have for it."""

    name: str
    speaks: Log | Tracer | Prometheus


@dataclass(frozen=True, slots=True)
class MeshTelemetry:
    """What MeshConfig says of telemetry: the collectors, and what holds where no Telemetry says otherwise.

    ``logs`` are names of providers, and empty where nothing is said; ``tracing`` is what ``defaultConfig`` says.
    """

    providers: tuple[Provider, ...] = (Provider(ENVOY, FileLog()), Provider("prometheus", Prometheus()))
    logs: tuple[str, ...] = ()
    traces: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    tracing: Tracing = NO_TRACING
    traced: bool = True

    def provider(self, name: str) -> Provider | None:
        """The provider of that name."""
        return next((each for each in self.providers if each.name == name), None)


NO_TELEMETRY: Final = MeshTelemetry()
