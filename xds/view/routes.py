"""The routes of a service's port, and the virtual host that they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.gateway import BoundRoute
from xds.model.labels import NO_LABELS, Labels
from xds.model.mesh import Mesh
from xds.model.policy import Answering, Policies, Policy
from xds.model.refs import ObjectRef
from xds.model.route import (
    Destination,
    HttpRoute,
    Match,
    RequestMatch,
    SourceMatch,
    VirtualService,
    WeightedDestination,
)
from xds.model.service import Protocol, Resolution, Service, ServiceKey
from xds.model.snapshot import Table
from xds.view import names
from xds.view.attach import RuleAt, at_caller, of_service, rule_at, staying
from xds.view.delegates import http_routes
from xds.view.endpoints import endpoints
from xds.view.gateway_api.mesh_routes import mesh_alternatives, unmatched
from xds.view.graph import Read
from xds.view.scope import Scope, mesh, resolved_service
from xds.view.specs.routes import ROUTED, RouteSpec, VirtualHostSpec, WeightedCluster

EVERYTHING = RequestMatch()
FOREIGN_PORT = 80  # hosts that only a VirtualService knows are served on this port (istio-semantics 1.1)


class Target(NamedTuple):
    """A host that routes name, as one caller sees it: the service it means and the rule for calling it."""

    host: str
    service: ServiceKey | None
    rule: RuleAt | None


def target(read: Read, host: str, scope: Scope) -> Target:
    """The service that a host means to callers of a scope, and the rule for calling it."""
    service = resolved_service(read, host, scope.home)
    if service is None:
        return Target(host, None, None)
    return Target(host, service.key, read.get(rule_at, service.key, scope))


class Caller(NamedTuple):
    """Who calls, where a VirtualService asks for it; empty where none does."""

    namespace: str = ""
    labels: Labels = NO_LABELS


class HostRoutes(NamedTuple):
    """Everything that decides the routes of one host on one port: the arguments of ``virtual_host``."""

    host: str
    port: int
    service: ServiceKey | None
    owner: ObjectRef | None
    targets: tuple[Target, ...]
    caller: Caller = Caller()
    attached: tuple[ObjectRef, ...] = ()  # routes of the Gateway API, instead of an owner
    near: bool = False  # the caller is in the service's namespace, where its bare name is enough


def virtual_host(read: Read, table: str, wanted: HostRoutes) -> tuple[VirtualHostSpec, ...]:
    """The virtual host of a service's port (or of a host that only a VirtualService knows), in the table ``table``."""
    service: Service | None = read.first(Table.SERVICE, wanted.service) if wanted.service is not None else None
    sniffed = table != names.port_routes(wanted.port)
    domains = ("*",) if sniffed else _domains(read, service, wanted)
    name = f"{wanted.host}:{wanted.port}" if sniffed else names.virtual_host(table, wanted.host, wanted.port)
    return (VirtualHostSpec(table, name, domains, routes(read, wanted)),)


def _domains(read: Read, service: Service | None, wanted: HostRoutes) -> tuple[str, ...]:
    own = [wanted.host]
    if service is None:
        return tuple(own)
    if service.kubernetes:
        own += _short_names(read, service, wanted)
    if service.resolution is Resolution.HEADLESS:
        own += [name for each in own if not _declared(read, name := f"*.{each}", wanted.port)]
        own += _addresses_of_pods(read, service, wanted.port)
    own += [
        f"[{address}]" if ":" in address else address
        for address in service.addresses
        if "/" not in address
        and _first_with(read, address, wanted.port) in (service.key, None)
        and not _declared(read, address, wanted.port)
    ]
    return tuple(own)


def _addresses_of_pods(read: Read, service: Service, port: int) -> list[str]:
    """The addresses of a headless service's endpoints, as peers call each other; but for those of an older one."""
    rivals: list[Service] = []
    for each in read.rows(Table.SELECTING, service.namespace):
        if each.key == service.key:
            break
        if each.resolution is Resolution.HEADLESS and _routes_http(each, port):
            rivals.append(each)
    found = (
        f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
        for endpoint in read.get(endpoints, EndpointKey(*service.key, port))
        if endpoint.address and not any(rival.selector <= endpoint.labels for rival in rivals)
    )
    return list(dict.fromkeys(found))  # networks may have the same addresses


def _first_with(read: Read, address: str, port: int) -> ServiceKey | None:
    # Envoy refuses a table in which two virtual hosts claim a domain: an address is its oldest service's.
    rows: tuple[Service, ...] = read.rows(Table.VIRTUAL_ADDRESS, address)
    return next((row.key for row in rows if _routes_http(row, port)), None)


def _routes_http(service: Service, number: int) -> bool:
    port = service.port(number)
    return port is not None and (port.protocol.is_http or port.protocol is Protocol.AUTO)


def _declared(read: Read, form: str, port: int) -> bool:
    # A host that somebody really declared under one of a service's other names has it, on the ports it is routed on.
    services: tuple[Service, ...] = read.rows(Table.HOST, form)
    if any(_routes_http(service, port) for service in services):
        return True
    return port == FOREIGN_PORT and bool(read.rows(Table.ROUTED_HOST, form))


def _short_names(read: Read, service: Service, wanted: HostRoutes) -> list[str]:
    domain = read.get(mesh).domain
    name, namespace = service.ref.name, service.namespace
    forms = [f"{service.hostname}.", f"{name}.{namespace}", f"{name}.{namespace}.svc"]
    if service.hostname != f"{name}.{namespace}.svc.{domain}":
        return []
    forms += [name] if wanted.near else []
    return [form for form in forms if not _declared(read, form, wanted.port)]


def routes(read: Read, wanted: HostRoutes) -> tuple[RouteSpec, ...]:
    """The routes to a host, in the order in which they are tried."""
    settings = read.get(mesh)
    if wanted.attached:
        return tuple(_attached(read, wanted, settings))
    owner: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, wanted.owner) if wanted.owner is not None else None
    if owner is None or not owner.http:
        return (_default_route(read, wanted, settings),) if wanted.service is not None else ()
    found: list[RouteSpec] = []
    for authored, route in http_routes(read, owner):
        for match in route.matches or (Match(),):
            if not _may_match(match.source, owner.gateways, wanted):
                continue
            found.append(_route(read, wanted, settings, (authored, route, match)))
            if match.request == EVERYTHING:
                return tuple(found)  # nothing behind a catch-all is ever reached
    if not found and wanted.service is not None:
        # A VirtualService that says nothing of this port or caller leaves them what they had without it.
        return (_default_route(read, wanted, settings),)
    return tuple(found)


def _attached(read: Read, wanted: HostRoutes, settings: Mesh) -> Iterator[RouteSpec]:
    """The routes that objects of the Gateway API say; what none of them matches is answered with 404."""
    for bound in mesh_alternatives(read, wanted.attached, wanted.port):
        yield replace(_route(read, wanted, settings, (bound.authored, bound.route, bound.match)), frontend=ROUTED)
        if bound.match.request == EVERYTHING:
            return
    # Envoy's own answer has no route, which could say that the host is that of a frontend.
    yield RouteSpec("not_found", EVERYTHING, (), unmatched(read, wanted.attached), frontend=ROUTED)


def _may_match(source: SourceMatch, gateways: tuple[str, ...], wanted: HostRoutes) -> bool:
    if "mesh" not in (source.gateways or gateways):
        return False
    if source.port and source.port != wanted.port:
        return False
    if source.namespace and source.namespace != wanted.caller.namespace:
        return False
    return source.labels <= wanted.caller.labels


def _default_route(read: Read, wanted: HostRoutes, settings: Mesh) -> RouteSpec:
    target = Destination(wanted.host, "", wanted.port)
    return RouteSpec(
        name="default",
        match=EVERYTHING,
        clusters=(WeightedCluster(_cluster_of(read, target, wanted)),),
        policies=_at_caller(read, target, wanted, settings.route_policies),
        operation=f"{wanted.host}:{wanted.port}/*",
    )


def _route(
    read: Read,
    wanted: HostRoutes,
    settings: Mesh,
    part: tuple[ObjectRef, HttpRoute, Match],
) -> RouteSpec:
    authored, route, match = part
    policies = route.policies.resolved(lambda target: _cluster_of(read, target, wanted))
    clusters: tuple[WeightedCluster, ...] = ()
    if not any(policy.answers for policy in policies.that(Answering)):
        policies = policies.over(settings.route_policies)
        shares = route.destinations
        asked = [_asked(read, share.destination, wanted) for share in shares]
        if len(set(asked)) == 1:
            policies = staying(policies.adding(*asked[0]))
        else:
            shares = tuple(_with_own(*each, policies) for each in zip(shares, asked, strict=True))
        clusters = _weighted(read, wanted, shares)
    return RouteSpec(
        name=".".join(filter(None, (route.name, match.name))),
        match=match.request,
        clusters=clusters,
        policies=policies,
        stat_prefix=match.stat_prefix,
        authored=authored,
        operation=f"{wanted.host}:{wanted.port}/*",
        stated=match.stated,
    )


def bound_route(read: Read, wanted: HostRoutes, bound: BoundRoute) -> RouteSpec:
    """The route of a gateway's host; ``wanted`` has the services that it names."""
    return _route(read, wanted, read.get(mesh), (bound.authored, bound.route, bound.match))


def _weighted(read: Read, wanted: HostRoutes, shares: tuple[WeightedDestination, ...]) -> tuple[WeightedCluster, ...]:
    if len(shares) == 1:
        only = shares[0]
        return (WeightedCluster(_cluster_of(read, only.destination, wanted), 1, only.policies),)
    return tuple(
        WeightedCluster(_cluster_of(read, share.destination, wanted), share.weight, share.policies)
        for share in shares
        if share.weight > 0
    )


def _target(wanted: HostRoutes, host: str) -> Target | None:
    return next((target for target in wanted.targets if target.host == host), None)


def _cluster_of(read: Read, destination: Destination, wanted: HostRoutes) -> str:
    service = _service_of(read, destination, wanted)
    host = service.hostname if service is not None else destination.host
    return names.outbound_cluster(port_of(destination, service, wanted.port), destination.subset, host)


def _service_of(read: Read, destination: Destination, wanted: HostRoutes) -> Service | None:
    target = _target(wanted, destination.host)
    if target is None or target.service is None:
        return None
    service: Service | None = read.first(Table.SERVICE, target.service)
    return service


def port_of(destination: Destination, service: Service | None, called: int) -> int:
    """The port of a destination: the one that it states, its service's only one, or the port that was called."""
    if destination.port:
        return destination.port
    return service.ports[0].number if service is not None and len(service.ports) == 1 else called


def _at_caller(read: Read, destination: Destination, wanted: HostRoutes, policies: Policies) -> Policies:
    here = _asked(read, destination, wanted)
    return staying(policies.adding(*here)) if here else policies


def _asked(read: Read, destination: Destination, wanted: HostRoutes) -> tuple[Policy, ...]:
    """What a destination asks of those who call it."""
    target = _target(wanted, destination.host)
    service = _service_of(read, destination, wanted)
    here = of_service(service) if service is not None else ()
    if target is not None and target.rule is not None:
        here += at_caller(read, target.rule, destination.subset, port_of(destination, service, wanted.port))
    return here


def _with_own(share: WeightedDestination, asked: tuple[Policy, ...], policies: Policies) -> WeightedDestination:
    """The share with what it asks of callers, where the others of its route ask for something else."""
    own = staying(policies.adding(*asked))
    return replace(share, policies=share.policies.adding(*(each for each in own if policies.get(type(each)) != each)))
