"""What objects of remote clusters contribute: endpoints to services of all clusters, and where they are; no rules.

The clusters share their namespaces: a service is the same one wherever it has that name and namespace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from xds.decoders.row import Row
from xds.model.labels import NO_LABELS
from xds.model.service import Service
from xds.model.snapshot import Input, Rows, Table

# Two clusters may have pods of one address, and nodes of one name.
_BY_CLUSTER: Final = MappingProxyType(
    {
        Table.ADDRESS: Table.REMOTE_ADDRESS,
        Table.NODE: Table.REMOTE_NODE,
        Table.NAMESPACE: Table.REMOTE_NAMESPACE,
    }
)
# Whatever listens and is selected by name is the own cluster's.
_OWN: Final = frozenset({Table.WORKLOAD, Table.VIRTUAL_ADDRESS, Table.SELECTING})
_SERVICES: Final = frozenset({Table.SERVICE, Table.HOST})


def remote_rows(cluster: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of an object of a remote cluster, of those that its decoder answers.

    A Service makes its host known, without its addresses, which are that cluster's, and without what it selects here.
    """
    for (table, key), value in rows:
        if table in _BY_CLUSTER:
            yield Row(Input(_BY_CLUSTER[table], (cluster, key)), value)
        elif table in _SERVICES:
            yield Row(Input(table, key), replace(value, addresses=(), selector=NO_LABELS))
        elif table not in _OWN:
            yield Row(Input(table, key), value)


def merged(ordered: Rows) -> Rows:
    """Services in the order in which they win, without those that an earlier one stands for: each key once.

    ServiceEntries are rivals of each other, Services of several clusters are one service.
    """
    found: list[Any] = []
    known = set()
    for each in ordered:
        service: Service = each
        if not (service.ref.cluster and service.key in known):
            found.append(service)
        if service.kubernetes:
            known.add(service.key)
    return tuple(found)
