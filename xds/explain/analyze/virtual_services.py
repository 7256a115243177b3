"""VirtualServices: destinations that do not exist, hosts claimed twice, routes that are never reached, delegates."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from xds.explain.analyze.connection_routes import check_connections
from xds.model.gateway import Gateway, Server, gateway_ref
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.route import Destination, HttpRoute, RequestMatch, SourceMatch, VirtualService
from xds.model.service import Resolution, Service
from xds.model.snapshot import Table
from xds.view.attach import matches, rule, rule_at
from xds.view.delegates import MOST_ROUTES, lent, parts
from xds.view.gateway.istio import common_hosts, too_many
from xds.view.graph import Read
from xds.view.scope import Scope, mesh, resolved_service, service_key, visible, visible_services

_ANYTHING = RequestMatch()
_ANYBODY = SourceMatch()


def check(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with one VirtualService among the others."""
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
    if routed is None:
        return ()
    spec = FieldRef(ref, ("spec",))
    connections = check_connections(read, routed, spec)
    sizes = _sizes(read, routed, spec)
    hosts = _hosts(read, routed, spec)
    gateways = (*_gateways(read, routed, spec), *_untaken(read, routed, spec))
    return (*gateways, *hosts, *_routes(read, routed, spec), *sizes, *connections)


def _gateways(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    for index, name in enumerate(routed.gateways):
        if name == "mesh":
            continue
        ref = gateway_ref(name, routed.ref.namespace)
        gateway: Gateway | None = read.first(Table.GATEWAY, ref)
        at = spec / "gateways" / index
        if gateway is None:
            message = f"there is no {ref}; requests that come in through it are not routed"
            yield Problem(at, "virtual-service.gateway-unknown", message, Severity.WARNING)
        elif not any(common_hosts(server, routed.ref.namespace, routed.hosts) for server in gateway.servers):
            message = f"no server of {ref} takes a host of this VirtualService; nothing is routed there"
            yield Problem(at, "virtual-service.gateway-host", message, Severity.WARNING)
        elif any(routed.ref in read.get(too_many, ref, server, ref.namespace) for server in gateway.servers):
            message = f"its hosts times routes are too many for {ref}, beside those of older ones; none is routed there"
            yield Problem(at, "virtual-service.gateway-full", message)


def _untaken(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    """The hosts that no gateway takes, beside others that one does."""
    if "mesh" in routed.gateways:
        return  # sidecars route them
    found = (read.first(Table.GATEWAY, gateway_ref(name, routed.ref.namespace)) for name in routed.gateways)
    gateways: list[Gateway] = [each for each in found if each is not None]
    servers = [server for gateway in gateways for server in gateway.servers]
    lost = [host for host in routed.hosts if not _taken(servers, routed, host)]
    if not gateways or len(gateways) < len(routed.gateways) or len(lost) == len(routed.hosts):
        return
    known = ", ".join(dict.fromkeys(each.host for server in servers for each in server.hosts))
    for host in lost:
        message = f"no server of its gateways takes {host}, they take {known}; requests for it get 404"
        yield Problem(
            spec / "hosts" / routed.hosts.index(host), "virtual-service.host-untaken", message, Severity.WARNING
        )


def _taken(servers: Iterable[Server], routed: VirtualService, host: str) -> bool:
    return any(common_hosts(server, routed.ref.namespace, (host,)) for server in servers)


def _hosts(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    home = routed.ref.namespace
    for index, host in enumerate(routed.hosts):
        at = spec / "hosts" / index
        owners: tuple[VirtualService, ...] = read.rows(Table.ROUTED_HOST, host)
        first = owners[0] if owners else routed
        if first.ref != routed.ref and _meet(read, first, routed):
            message = f"{host} is routed by {first.ref} already, which is older and wins; merge the two"
            yield Problem(at, "virtual-service.host-twice", message)
        if "mesh" not in routed.gateways or host == "*":
            continue
        if not _known(read, host, home):
            near = _near(host, (key.hostname for key in read.get(visible_services, home)))
            what = "requests to port 80" if routed.http or not routed.tls else "TLS connections by SNI"
            message = f"no service is named {host}{near}; only {what} for it are routed"
            yield Problem(at, "virtual-service.host-unknown", message, Severity.WARNING)


def _meet(read: Read, one: VirtualService, other: VirtualService) -> bool:
    default = read.get(mesh).default_virtual_service_export_to
    mine, theirs = one.export_to or default, other.export_to or default
    homes = {one.ref.namespace, other.ref.namespace, ""}
    return any(visible(mine, one.ref.namespace, h) and visible(theirs, other.ref.namespace, h) for h in homes)


def _known(read: Read, host: str, home: str) -> bool:
    if host.startswith("*"):
        return any(
            matches(host, key.hostname) or matches(key.hostname, host) for key in read.get(visible_services, home)
        )
    exact = read.get(service_key, host, home) is not None
    return exact or any(matches(wildcard, host) for wildcard in read.get(wildcard_services, home))


def wildcard_services(read: Read, home: str) -> tuple[str, ...]:
    """The host names of the services seen from ``home`` that stand for many."""
    return tuple(key.hostname for key in read.get(visible_services, home) if key.hostname.startswith("*"))


def _near(host: str, known: Iterable[str]) -> str:
    # Most names end alike: only those with the same rest, or the same first label, are worth a comparison.
    label, _, rest = host.partition(".")
    labels, rests = dict[str, str](), dict[str, str]()
    for name in known:
        first, _, after = name.partition(".")
        if after == rest:
            labels[first] = name
        elif first == label:
            rests[after] = name
    for word, words in ((label, labels), (rest, rests)):
        close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
        if close:
            return f" (did you mean {words[close[0]]}?)"
    return ""


def _routes(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    caught = ""
    seen: dict[tuple[RequestMatch, SourceMatch], str] = {}
    for index, route in enumerate(routed.http):
        at = spec / "http" / index
        if caught:
            yield Problem(at, "route.unreachable", f"is never reached: {caught} takes every request", Severity.WARNING)
        for number, match in enumerate(route.matches):
            key = (match.request, match.source)
            here = f"http[{index}].match[{number}]"
            if key in seen and not caught and key != (_ANYTHING, _ANYBODY):
                message = f"is the same condition as {seen[key]}, which wins"
                yield Problem(at / "match" / number, "route.repeated", message, Severity.INFO)
            seen.setdefault(key, here)
        if any(match.request == _ANYTHING and match.source == _ANYBODY for match in route.matches):
            caught = caught or f"http[{index}]"
        yield from _delegate(read, routed, route, at)
        for number, share in enumerate(route.destinations):
            yield from _destination(read, routed, share.destination, at / "route" / number / "destination")
    for kind, routes in (("tls", routed.tls), ("tcp", routed.tcp)):
        for index, connection in enumerate(routes):
            for number, share in enumerate(connection.destinations):
                at = spec / kind / index / "route" / number / "destination"
                yield from _destination(read, routed, share.destination, at)


def _destination(read: Read, routed: VirtualService, wanted: Destination, at: FieldRef) -> Iterator[Problem]:
    home = routed.ref.namespace
    service = resolved_service(read, wanted.host, home)
    if service is None:
        near = _near(wanted.host, (key.hostname for key in read.get(visible_services, home)))
        message = f"no service is named {wanted.host}{near}; requests for it get 503"
        yield Problem(at / "host", "destination.host-unknown", message)
        return
    if wanted.host.startswith("*") and service.resolution is not Resolution.DYNAMIC_DNS:
        message = (
            f"must be one host, or a wildcard whose ServiceEntry has resolution DYNAMIC_DNS; {service.ref} has not"
        )
        yield Problem(at / "host", "destination.wildcard-resolution", message)
    if wanted.port and service.port(wanted.port) is None:
        offered = ", ".join(str(port.number) for port in service.ports) or "none"
        message = f"{wanted.host} has no port {wanted.port}, its ports are {offered}"
        yield Problem(at / "port.number", "destination.port-unknown", message)
    if not wanted.port and len(service.ports) > 1:
        message = f"must be set, as {wanted.host} has several ports; the caller's port is taken"
        yield Problem(at / "port", "destination.port-missing", message, Severity.WARNING)
    yield from _subset(read, service, wanted, (home, at))


def _subset(read: Read, service: Service, wanted: Destination, place: tuple[str, FieldRef]) -> Iterator[Problem]:
    home, at = place
    if not wanted.subset:
        return
    where = rule_at(read, service.key, Scope(home, home))
    found = rule(read, where) if where is not None else None
    if found is None:
        message = f"no DestinationRule for {wanted.host} defines subset {wanted.subset!r}; requests for it get 503"
        yield Problem(at / "subset", "destination.subset-without-rule", message)
        return
    names = [subset.name for subset in found.subsets]
    if wanted.subset not in names:
        defined = ", ".join(names) or "none"
        message = f"{found.ref} does not define subset {wanted.subset!r} of {wanted.host}, it defines {defined}"
        yield Problem(at / "subset", "destination.subset-unknown", message)


def _sizes(read: Read, routed: VirtualService, spec: FieldRef) -> Iterator[Problem]:
    for index, part in enumerate(parts(read, routed)):
        if not part.fits:
            at = spec / "http" / index / "delegate"
            message = f"must not bring hosts times routes over {MOST_ROUTES}; this route is left out"
            yield Problem(at, "delegate.size", message)


def _delegate(read: Read, routed: VirtualService, route: HttpRoute, at: FieldRef) -> Iterator[Problem]:
    if route.delegate is None:
        return
    namespace, name = route.delegate
    ref = ObjectRef(routed.ref.group, routed.ref.kind, namespace or routed.ref.namespace, name)
    here = at / "delegate"
    target: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
    if target is None:
        yield Problem(here, "delegate.unknown", f"there is no {ref}; this route is left out")
    elif _circular(read, routed):
        yield Problem(
            here, "delegate.circle", f"{ref} delegates back to {routed.ref}; a delegate must have routes of its own"
        )
    elif not routed.hosts:
        yield Problem(here, "delegate.nested", "is not followed: a delegate cannot delegate again")
    elif not lent(read, target, routed):
        message = f"{ref} is not exported to {routed.ref.namespace}; this route is left out"
        yield Problem(here, "delegate.hidden", message)
    elif target.hosts:
        yield Problem(here, "delegate.has-hosts", f"{ref} has hosts of its own; a delegate must have none")


def _circular(read: Read, routed: VirtualService) -> bool:
    seen: set[ObjectRef] = set()
    wave = [routed]
    while wave:
        current = wave.pop()
        for route in current.http:
            if route.delegate is None:
                continue
            namespace, name = route.delegate
            ref = ObjectRef(current.ref.group, current.ref.kind, namespace or current.ref.namespace, name)
            if ref == routed.ref:
                return True
            found: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, ref)
            if found is not None and ref not in seen:
                seen.add(ref)
                wave.append(found)
    return False
