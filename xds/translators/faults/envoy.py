"""Injected faults in Envoy's words."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.route.v3.route_components_pb2 import Route
from xds.api.envoy.extensions.filters.common.fault.v3.fault_pb2 import FaultDelay
from xds.api.envoy.extensions.filters.http.fault.v3.fault_pb2 import FaultAbort, HTTPFault
from xds.model.quantity import NEVER
from xds.translators.faults.policy import Abort, Faults
from xds.translators.fractions import fractional_percent
from xds.wire.codec import duration, pack

FILTER: Final = "envoy.filters.http.fault"


def filter_config() -> HTTPFault:
    """The filter as it stands in every chain: it injects nothing."""
    return HTTPFault()


def route(faults: Faults) -> Route:
    """The Route fragment: the fault filter's ``typed_per_filter_config``, or nothing when no request gets a fault."""
    config = HTTPFault()
    if faults.delay is not None and faults.delay.share != NEVER:
        percentage = fractional_percent(faults.delay.share)
        config.delay.CopyFrom(FaultDelay(fixed_delay=duration(faults.delay.pause), percentage=percentage))
    if faults.abort is not None and faults.abort.share != NEVER:
        config.abort.CopyFrom(_abort(faults.abort))
    message = Route()
    if config.ListFields():
        message.typed_per_filter_config[FILTER].CopyFrom(pack(config))
    return message


def _abort(abort: Abort) -> FaultAbort:
    message = FaultAbort(percentage=fractional_percent(abort.share))
    if abort.status:
        message.http_status = abort.status
    else:
        message.grpc_status = abort.grpc_status
    return message
