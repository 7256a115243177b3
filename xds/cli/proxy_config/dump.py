"""What one proxy has, by type: read from Envoy's ``/config_dump``, or from what the control plane sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource in protobuf's JSON with proto field names. ``state`` is ACTIVE, WARMING, ERROR or STATIC.

    ``provenance`` are the authored objects behind it, where the control plane was asked; ``Kind namespace/name`` each.
    """

    name: str
    resource: Json
    state: str = "ACTIVE"
    version: str = ""
    provenance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """All of one proxy's resources, each kind sorted by name. ``hosts`` is Envoy's ``/clusters?format=json``."""

    clusters: tuple[Entry, ...] = ()
    listeners: tuple[Entry, ...] = ()
    routes: tuple[Entry, ...] = ()
    endpoints: tuple[Entry, ...] = ()
    secrets: tuple[Entry, ...] = ()
    extensions: tuple[Entry, ...] = ()
    hosts: Json = field(default_factory=dict)


# Where a part of the dump keeps its resources: (field of the part, field of the item, state).
_PLACES: Final = {
    "ClustersConfigDump": (
        "clusters",
        (
            ("static_clusters", "cluster", "STATIC"),
            ("dynamic_active_clusters", "cluster", "ACTIVE"),
            ("dynamic_warming_clusters", "cluster", "WARMING"),
        ),
    ),
    "ListenersConfigDump": (
        "listeners",
        (
            ("static_listeners", "listener", "STATIC"),
            ("dynamic_listeners", "active_state.listener", "ACTIVE"),
            ("dynamic_listeners", "warming_state.listener", "WARMING"),
        ),
    ),
    "RoutesConfigDump": (
        "routes",
        (
            ("static_route_configs", "route_config", "STATIC"),
            ("dynamic_route_configs", "route_config", "ACTIVE"),
        ),
    ),
    "EndpointsConfigDump": (
        "endpoints",
        (
            ("static_endpoint_configs", "endpoint_config", "STATIC"),
            ("dynamic_endpoint_configs", "endpoint_config", "ACTIVE"),
        ),
    ),
    "SecretsConfigDump": (
        "secrets",
        (
            ("static_secrets", "secret", "STATIC"),
            ("dynamic_active_secrets", "secret", "ACTIVE"),
            ("dynamic_warming_secrets", "secret", "WARMING"),
        ),
    ),
    "EcdsConfigDump": ("extensions", (("ecds_filters", "ecds_filter", "ACTIVE"),)),
}
_SHORT: Final = {
    "cds": "clusters",
    "lds": "listeners",
    "rds": "routes",
    "eds": "endpoints",
    "sds": "secrets",
    "ecds": "extensions",
}


def from_envoy(config_dump: Json, hosts: Json) -> ProxyConfig:
    """The resources in an answer of ``/config_dump?include_eds`` and one of ``/clusters?format=json``.

    Several parts of a type (ECDS has one a filter kind) count as one.
    """
    found: dict[str, list[Entry]] = {}
    for part in config_dump.get("configs", ()):
        kind, places = _PLACES.get(str(part.get("@type", "")).rpartition(".")[2], ("", ()))
        for items, path, state in places:
            for item in part.get(items, ()):
                found.setdefault(kind, []).extend(_entry(item, path, state))
    parts: dict[str, Any] = {kind: _sorted(entries) for kind, entries in found.items()}
    return ProxyConfig(hosts=hosts, **parts)


def from_control_plane(resources: Iterable[Json]) -> ProxyConfig:
    """The resources in an answer of ``/debug/config_dump``; virtual hosts stand in their route configurations."""
    found: dict[str, list[Entry]] = {}
    hosts: dict[str, list[Json]] = {}
    for item in resources:
        kind = _SHORT.get(item["type"])
        if item["type"] == "vhds":
            hosts.setdefault(item["name"].partition("/")[0], []).append(item)
        if kind is not None:
            provenance = tuple(known["object"] for known in item.get("provenance", ()))
            entry = Entry(item["name"], item["resource"], "ACTIVE", item.get("version", ""), provenance)
            found.setdefault(kind, []).append(entry)
    found["routes"] = [_with_hosts(entry, hosts.get(entry.name, [])) for entry in found.get("routes", ())]
    parts: dict[str, Any] = {kind: _sorted(entries) for kind, entries in found.items()}
    return ProxyConfig(**parts)


def with_provenance(config: ProxyConfig, sent: ProxyConfig) -> ProxyConfig:
    """``config``, what Envoy has, with the provenance that the control plane knows of resources of the same names."""
    joined: dict[str, Any] = {
        kind: tuple(
            Entry(own.name, own.resource, own.state, own.version, known.get(own.name, ()))
            for own in getattr(config, kind)
        )
        for kind in _SHORT.values()
        for known in [{entry.name: entry.provenance for entry in getattr(sent, kind)}]
    }
    return ProxyConfig(hosts=config.hosts, **joined)


def _entry(item: Json, path: str, state: str) -> Iterator[Entry]:
    holder: Json = item
    *above, last = path.split(".")
    for step in above:
        holder = holder.get(step, {})
    resource = holder.get(last)
    if resource is None:
        return
    name = resource.get("name") or resource.get("cluster_name") or item.get("name") or ""
    version = str(holder.get("version_info") or item.get("version_info") or "")
    yield Entry(name, resource, "ERROR" if "error_state" in item else state, version)


def _with_hosts(entry: Entry, hosts: list[Json]) -> Entry:
    own = [*entry.resource.get("virtual_hosts", ()), *(host["resource"] for host in hosts)]
    names = {known["object"] for host in hosts for known in host.get("provenance", ())}
    return Entry(
        entry.name,
        {**entry.resource, "virtual_hosts": own},
        entry.state,
        entry.version,
        tuple(sorted({*entry.provenance, *names})),
    )


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.name))
