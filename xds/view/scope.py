"""Who sees a service: visibility by namespace, and the least that tells one caller's view from another's."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.endpoint import NOWHERE, Locality
from xds.model.families import Families, families
from xds.model.identity import Identity
from xds.model.labels import NO_LABELS, Labels, labels, only
from xds.model.mesh import Mesh
from xds.model.network import NETWORK
from xds.model.placement import BY_NODE, LOCALITY, Place
from xds.model.proxy import SIDECAR, Proxy
from xds.model.refs import ObjectRef
from xds.model.service import Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.callers import stated_locality
from xds.view.graph import Read
from xds.view.networks import proxy_network
from xds.view.sidecar_at import names_own, outbound_sidecar


class Scope(NamedTuple):
    """The part of a proxy that decides its outbound configuration; proxies of equal scope share all of it.

    ``home`` is the namespace whose own rules apply, ``""`` where it has none, so that most namespaces share;
    ``labels`` are only those that some rule asks callers for, and ``vouched`` whether they are its pod's and not only
    what it says: what is secret is given to no other. ``locality`` is where it runs, where some rule prefers near
    endpoints; ``sidecar`` the Sidecar object that holds for it; ``router`` is whether it is a gateway;
    ``on_demand`` whether it holds only what it asks for; ``families`` are those of its addresses;
    ``network`` is where it is, where gateways lead from one to another.
    """

    namespace: str
    home: str
    labels: Labels = NO_LABELS
    vhds: bool = True
    intercepted: bool = True
    identity: Identity = Identity.NONE
    vouched: bool = False
    locality: Locality = NOWHERE
    sidecar: ObjectRef | None = None
    router: bool = False
    on_demand: bool = False
    families: Families = Families.IPV4
    network: str = ""


def mesh(read: Read) -> Mesh:
    """The mesh's settings."""
    settings: Mesh | None = read.first(Table.MESH, "")
    return settings if settings is not None else Mesh()


def scope(read: Read, proxy: Proxy) -> Scope:
    """The scope of a proxy."""
    sidecar = read.get(outbound_sidecar, proxy.namespace, proxy.labels) if proxy.kind == SIDECAR else None
    apart = read.rows(Table.HOME, proxy.namespace) or _private_by_default(read.get(mesh))
    apart = apart or (sidecar is not None and read.get(names_own, sidecar))
    home = proxy.namespace if apart else ""
    asked = frozenset(read.keys(Table.SELECTOR_KEY))
    stated = only(proxy.labels, asked)
    network = proxy_network(read, proxy)
    return Scope(
        proxy.namespace,
        home,
        stated | only(labels({NETWORK: network} if network else {}), asked),
        proxy.vhds,
        not proxy.http_proxy_port,
        proxy.identity,
        vouched=bool(stated) and _vouched(read, proxy, stated),
        locality=read.get(place, proxy).locality,
        sidecar=sidecar,
        families=families(proxy.addresses),
        network=network,
    )


def place(read: Read, proxy: Proxy) -> Place:
    """Where a proxy is, as far as anybody asks: as its pod and that one's node say, else as it says itself."""
    asked: tuple[str, ...] = read.keys(Table.PLACED)
    if not asked:
        return Place()
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    node = pod.node if pod is not None else ""
    return Place(
        (stated_locality(read, pod) if pod is not None else None) or proxy.locality if LOCALITY in asked else NOWHERE,
        node=node if BY_NODE in asked else "",
    )


def anybody(scope: Scope) -> Scope:
    """What callers of a scope share with those of other namespaces: all but the services' bare names."""
    return scope._replace(namespace="")


def anywhere(scope: Scope) -> Scope:
    """What callers of a scope share with those of other places: all but endpoints."""
    return scope._replace(locality=NOWHERE, network="")


def seeing(scope: Scope) -> Scope:
    """As much of a scope as decides which services its callers reach."""
    return Scope("", scope.home, sidecar=scope.sidecar)


def seen_by(scope: Scope, key: ServiceKey) -> Scope:
    """The scope as far as it matters for a service: callers of other namespaces than its own see it alike."""
    return scope if key.namespace == scope.namespace else anybody(scope)


def _vouched(read: Read, proxy: Proxy, stated: Labels) -> bool:
    """Whether the proxy's pod is known and has these labels. Its account is proven, its name maybe not.

    A machine is given the labels of its group when it is let in.
    """
    if proxy.group:
        return True
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    return pod is not None and (pod.service_account or "default") == proxy.service_account and stated <= pod.labels


def _private_by_default(settings: Mesh) -> bool:
    defaults = (
        settings.default_service_export_to,
        settings.default_virtual_service_export_to,
        settings.default_destination_rule_export_to,
    )
    return any("*" not in default for default in defaults)


def visible(export_to: tuple[str, ...], owner: str, home: str) -> bool:
    """Whether an object of namespace ``owner`` is seen from ``home`` (Istio's exportTo)."""
    if "*" in export_to:
        return True
    return bool(home) and (home in export_to or ("." in export_to and owner == home))


def best_service(read: Read, hostname: str, home: str) -> Service | None:
    """The service that ``hostname`` means in ``home``: its own namespace's first, then Kubernetes', then the oldest."""
    rows: tuple[Service, ...] = read.rows(Table.HOST, hostname)
    default = read.get(mesh).default_service_export_to
    seen = [service for service in rows if visible(service.export_to or default, service.namespace, home)]
    return next(
        (service for service in seen if service.namespace == home),
        seen[0] if seen else None,
    )


def service_key(read: Read, hostname: str, home: str) -> ServiceKey | None:
    """The key of ``best_service``; stays equal while only the service's content changes."""
    found = best_service(read, hostname, home)
    return found.key if found is not None else None


def visible_services(read: Read, home: str) -> tuple[ServiceKey, ...]:
    """Every service seen from ``home``, one a host name, sorted."""
    found = (read.get(service_key, hostname, home) for hostname in read.keys(Table.HOST))
    return tuple(key for key in found if key is not None)


def resolved_service(read: Read, hostname: str, home: str) -> Service | None:
    """The service behind a host, through ExternalName aliases; None when there is none, or only a circle of them."""
    seen: set[str] = set()
    while hostname not in seen:
        seen.add(hostname)
        found = best_service(read, hostname, home)
        if found is None or found.resolution is not Resolution.ALIAS:
            return found
        hostname = found.alias_of
    return None
