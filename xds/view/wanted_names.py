"""Which names of networks' gateways have to be looked up."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.families import is_ip
from xds.model.network import ExternalAddresses, NetworkGateway
from xds.model.snapshot import Snapshot, Table


def gateway_names(snapshot: Snapshot) -> frozenset[str]:
    """The names at which gateways are reached."""
    return frozenset(each for each in _addresses(snapshot) if not is_ip(each))


def _addresses(snapshot: Snapshot) -> Iterator[str]:
    for network in snapshot.keys(Table.NETWORK_GATEWAY):
        gateways: tuple[NetworkGateway, ...] = snapshot.rows(Table.NETWORK_GATEWAY, network)
        for gateway in gateways:
            if gateway.address:
                yield gateway.address
            rows: tuple[ExternalAddresses, ...] = snapshot.rows(Table.EXTERNAL_ADDRESSES, gateway.service)
            yield from (address for row in rows for address in row.addresses)
