"""What a caller's proxy holds, as specs by name: made by the makers of its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from xds.model.endpoint import Endpoint
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.view.connections import ConnectionRoutes, connections
from xds.view.endpoints import endpoint_group, placed_group
from xds.view.graph import Call, Read
from xds.view.observed_roots import observed_leaf
from xds.view.patches import patched
from xds.view.proxy_view import proxy_view
from xds.view.specs.clusters import ClusterSpec, EndpointGroup, LocalityGroup
from xds.view.specs.listeners import ListenerSpec
from xds.view.specs.resources import ConnectionSpec, PatchedSpec, Spec
from xds.view.specs.routes import RouteTable, VirtualHostSpec


@dataclass(slots=True)
class Held:
    """The listeners, route tables, ways of connections and clusters of a proxy; endpoints are made when asked for.

    ``authors`` has who says where connections go, ``patched`` the EnvoyFilters that touch a resource, by its name.
    """

    listeners: dict[str, ListenerSpec] = field(default_factory=dict)
    tables: dict[str, RouteTable] = field(default_factory=dict)
    connections: dict[str, ConnectionSpec] = field(default_factory=dict)
    clusters: dict[str, ClusterSpec] = field(default_factory=dict)
    endpoints: dict[str, Call] = field(default_factory=dict)
    authors: dict[str, tuple[ObjectRef, ...]] = field(default_factory=dict)
    patched: dict[str, tuple[ObjectRef, ...]] = field(default_factory=dict)

    def take(self, spec: Spec) -> None:
        """Note a spec; one of the same name before it is no longer there."""
        if isinstance(spec, PatchedSpec):
            self.patched[spec.name] = tuple(dict.fromkeys(each.at.object for each in spec.patches))
            spec = spec.spec
        if isinstance(spec, ListenerSpec):
            self.listeners[spec.name] = spec
        elif isinstance(spec, RouteTable):
            self.tables[spec.name] = spec
        elif isinstance(spec, ConnectionSpec):
            self.connections[spec.name] = spec
        elif isinstance(spec, ClusterSpec):
            self.clusters[spec.name] = spec

    def hosts(self, table: str) -> tuple[VirtualHostSpec, ...]:
        """The virtual hosts of a route table; none where there is no such table."""
        found = self.tables.get(table)
        return found.virtual_hosts if found is not None else ()


def held(read: Read, proxy: Proxy) -> Held:
    """All that a proxy holds. It is taken for one that is sent whole route tables, and not only what it asks for."""
    found = Held()
    for root in proxy_view(read, proxy):
        for leaf in _leaves(read, root):
            within = _within(leaf)
            if within.maker in (endpoint_group, placed_group):
                found.endpoints[within.args[0]] = within  # type: ignore[index]
                continue
            specs = read.get(leaf.maker, *leaf.args)
            for spec in specs:
                found.take(spec)
            if within.maker is connections:
                _note_authors(found, within.args[0], specs)
    return found


def _leaves(read: Read, root: Call) -> Iterator[Call]:
    for group in read.get(root.maker, *root.args):
        yield from read.get(group.maker, *group.args)


def _within(leaf: Call) -> Call:
    """The leaf that others are around."""
    while leaf.maker in (observed_leaf, patched):
        leaf = cast("Call", leaf.args[0])
    return leaf


def _note_authors(found: Held, wanted: object, specs: tuple[Spec, ...]) -> None:
    assert isinstance(wanted, ConnectionRoutes)
    authors = (wanted.owner,) if wanted.owner is not None else wanted.attached
    found.authors.update((spec.name, authors) for spec in specs if isinstance(spec, ConnectionSpec))


def endpoints_of(read: Read, known: Held, cluster: ClusterSpec) -> tuple[Endpoint, ...]:
    """The endpoints that a cluster has of the control plane, those of the first priority first."""
    wanted = known.endpoints.get(cluster.name)
    groups: tuple[LocalityGroup, ...] = cluster.endpoints
    if wanted is not None:
        (group,) = read.get(wanted.maker, *wanted.args)
        assert isinstance(group, EndpointGroup)
        groups = group.localities
    return tuple(each for one in sorted(groups, key=lambda one: one.priority) for each in one.endpoints)
