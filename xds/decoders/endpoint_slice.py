"""EndpointSlices."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import checked
from xds.decoders.row import Authored, Row
from xds.decoders.service import key_of
from xds.kinds.endpoint_slice import Endpoint
from xds.kinds.endpoint_slice import EndpointSlice as Struct
from xds.model.endpoint import EndpointSlice, SliceAddress
from xds.model.refs import FieldRef
from xds.model.snapshot import Input, Table

SERVICE_NAME = "kubernetes.io/service-name"


def decode(authored: Authored) -> Iterator[Row]:
    """The row of an EndpointSlice; none without the label that names its service, or with DNS names for addresses."""
    struct: Struct = authored.struct
    service = struct.metadata.labels.get(SERVICE_NAME, "")
    if not service or struct.address_type == "FQDN":
        return
    ports = tuple((port.name or "", port.port) for port in struct.ports if port.port and port.protocol == "TCP")
    at = FieldRef(authored.ref, ("endpoints",))
    addresses = tuple(
        _address(endpoint, checked(endpoint.addresses[0], at / i / "addresses" / 0, authored.found))
        for i, endpoint in enumerate(struct.endpoints)
    )
    key = key_of(service, authored.ref.namespace, authored.domain)
    yield Row(Input(Table.SLICE, key), EndpointSlice(authored.ref, addresses, ports))


def _address(endpoint: Endpoint, address: str) -> SliceAddress:
    conditions = endpoint.conditions
    return SliceAddress(
        address=address,
        ready=conditions.ready is not False,
        serving=conditions.serving is not False,
        terminating=conditions.terminating is True,
        zone=endpoint.zone or "",
        node=endpoint.node_name or "",
        hostname=endpoint.hostname or "",
    )
