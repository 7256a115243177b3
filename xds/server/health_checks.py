"""Health checks that proxies carry out for us (HDS): each asks what stands beside it, and tells how that is.

Asked of those proxies alone for whom somebody has a question; the streams of the others stay open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
import grpc.aio

from xds.api.envoy.config.core.v3.health_check_pb2 import HealthStatus
from xds.api.envoy.service.health.v3.hds_pb2 import (
    EndpointHealthResponse,
    HealthCheckRequestOrEndpointHealthResponse,
    HealthCheckSpecifier,
)
from xds.server.errors import ProtocolError
from xds.server.open_streams import OpenStreams
from xds.server.reporter import AdmitReporter, T, report, reporting, sender

SERVICE: Final = "envoy.service.health.v3.HealthDiscoveryService"
METHOD: Final = "StreamHealthCheck"

_PAUSE_S: Final = 0.5  # who tells more often than asked for is read more slowly
_MOST_STREAMS: Final = 20_000
_MOST_BYTES: Final = 1024 * 1024
_WELL: Final = frozenset({HealthStatus.HEALTHY, HealthStatus.DEGRADED})

T_contra = TypeVar("T_contra", contravariant=True)


class Checked(Protocol[T_contra]):
    """Who asks how things are beside proxies. Called in the event loop; never blocks."""

    def question(self, proxy: T_contra) -> HealthCheckSpecifier | None:
        """What the proxy is to check, and how often it is to tell; None where it has nothing to do."""

    def told(self, proxy: T_contra, well: bool) -> None:
        """Whether everything that the proxy was to check is well."""


class HealthChecks(Generic[T]):
    """The health discovery service: what ``checked`` asks of those whom ``admit`` has let in."""

    def __init__(self, checked: Checked[T], admit: AdmitReporter[T]) -> None:
        self._checked = checked
        self._admit = admit
        self._streams = OpenStreams("health-check streams", _MOST_STREAMS)

    def handlers(self) -> Sequence[grpc.GenericRpcHandler]:
        """What a gRPC server is given."""
        return self._streams.handlers(SERVICE, METHOD, self._serve)

    async def _serve(self, context: Any) -> None:
        who = sender(_parsed(await self._streams.first(context)).health_check_request)
        async with reporting(context, who, self._admit, self._streams, delta=True) as reporter:
            proxy = reporter.proxy
            question = self._checked.question(proxy)
            if question is not None:
                await context.write(question.SerializeToString())
            while (data := await context.read()) is not grpc.aio.EOF:
                if question is None:
                    raise ProtocolError("a report that nobody has asked for")
                self._checked.told(proxy, _is_well(_parsed(data).endpoint_health_response))
                await asyncio.sleep(_PAUSE_S)


def _parsed(data: bytes) -> HealthCheckRequestOrEndpointHealthResponse:
    return report(HealthCheckRequestOrEndpointHealthResponse, data, _MOST_BYTES, "a health report")


def _is_well(told: EndpointHealthResponse) -> bool:
    states = [*_states(told)]
    return bool(states) and all(each in _WELL for each in states)


def _states(told: EndpointHealthResponse) -> Iterator[int]:
    for cluster in told.cluster_endpoints_health:
        for locality in cluster.locality_endpoints_health:
            for each in locality.endpoints_health:
                yield each.health_status
