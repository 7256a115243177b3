"""Load assignments: the endpoints of a cluster. The hottest translation, since endpoints change most."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import Metadata
from xds.api.envoy.config.core.v3.health_check_pb2 import HealthStatus
from xds.api.envoy.config.endpoint.v3.endpoint_components_pb2 import LocalityLbEndpoints
from xds.api.envoy.config.endpoint.v3.endpoint_pb2 import ClusterLoadAssignment
from xds.model.endpoint import UNIX, Endpoint, Health
from xds.model.labels import NO_LABELS, Labels
from xds.model.security import TLS_MODE_ISTIO
from xds.translators import standard_metrics
from xds.translators.mesh_tls import TLS_MODE
from xds.view.specs.clusters import EndpointGroup, LocalityGroup

# Healthy is what Envoy takes an endpoint for when nothing is said.
_HEALTH: Final = {Health.UNHEALTHY: HealthStatus.UNHEALTHY, Health.DRAINING: HealthStatus.DRAINING}


def load_assignment(spec: EndpointGroup) -> ClusterLoadAssignment:
    """The ClusterLoadAssignment of ``spec``, in the spec's order of localities and endpoints."""
    message = ClusterLoadAssignment(cluster_name=spec.name)
    spell_localities(spec.localities, message)
    return message


def spell_localities(groups: tuple[LocalityGroup, ...], into: ClusterLoadAssignment) -> None:
    """Add ``groups`` to an assignment, in their order."""
    for group in groups:
        locality = into.endpoints.add()
        region, zone, subzone = group.locality
        if region or zone or subzone:
            where = locality.locality
            where.region, where.zone, where.sub_zone = region, zone, subzone
        if group.priority:
            locality.priority = group.priority
        if group.weight:
            locality.load_balancing_weight.value = group.weight
        for endpoint in group.endpoints:
            _spell_endpoint(endpoint, locality)


def _spell_endpoint(endpoint: Endpoint, into: LocalityLbEndpoints) -> None:
    message = into.lb_endpoints.add()
    if endpoint.address.startswith(UNIX):
        message.endpoint.address.pipe.path = endpoint.address.removeprefix(UNIX)
    else:
        socket = message.endpoint.address.socket_address
        socket.address = endpoint.address
        socket.port_value = endpoint.port
    if endpoint.health is not Health.HEALTHY:
        message.health_status = _HEALTH[endpoint.health]
    if endpoint.weight != 1:
        message.load_balancing_weight.value = endpoint.weight
    if endpoint.workload or endpoint.tls:
        labels = endpoint.labels if endpoint.workload else NO_LABELS
        message.metadata.CopyFrom(_metadata(endpoint.workload, endpoint.tls, labels))


@lru_cache(maxsize=4096)
def _metadata(workload: str, tls: bool, labels: Labels) -> Metadata:
    # Shared by a workload's endpoints: a Struct costs more to make than all the rest of an endpoint. Only ever copied.
    message = Metadata()
    if workload:
        message.filter_metadata["istio"].update(standard_metrics.of_endpoint(workload.partition(";")[0], dict(labels)))
    if tls:
        message.filter_metadata["envoy.transport_socket_match"][TLS_MODE] = TLS_MODE_ISTIO
    return message
