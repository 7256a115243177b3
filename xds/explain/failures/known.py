"""What decided at the proxy that told of a failed call: its route, its cluster, who was called, whose limits hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from xds.explain.path.chains import captured_by, chain_of, opened_on
from xds.explain.path.dialled import Dialled
from xds.explain.path.held import Held, held
from xds.explain.path.requests import host_of, route_of, without_port
from xds.explain.path.steps import Way
from xds.explain.path.way import way
from xds.explain.request import HttpRequest
from xds.failed.call import FailedCall
from xds.model.mesh import Mesh
from xds.model.policy import Policy
from xds.model.proxy import SIDECAR, Proxy
from xds.model.refs import FieldRef, ObjectRef
from xds.model.service import DestinationRule, Service, ServiceKey, Subset
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.translators.connection_pools.policy import ConnectionPools
from xds.translators.rate_limits.policy import RateLimits
from xds.view import names
from xds.view.attach import rule, rule_at
from xds.view.filters import attached
from xds.view.graph import Read
from xds.view.inbound import Offer, inbound_ports
from xds.view.scope import Scope, mesh
from xds.view.sidecar_at import sidecar, sidecar_at
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.listeners import HttpChain
from xds.view.specs.routes import RouteSpec

_LIMITS: Final = ("networking.plait.dev", "RateLimit")
_NO_SETTINGS: Final = Mesh()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a failed call; None and nothing where it is not.

    ``reporter`` is the pod whose proxy told, ``upstream`` whoever has the address that was called, ``rule`` the
    DestinationRule of the cluster, for its ``subset`` and ``port``; ``pool`` is where a Sidecar has the connectionPool
    of its own port, ``settings`` are those of the mesh, ``limits`` the RateLimits of the reporter.
    """

    reporter: ObjectRef | None = None
    route: RouteSpec | None = None
    cluster: ClusterSpec | None = None
    rule: DestinationRule | None = None
    subset: str = ""
    port: int = 0
    pool: FieldRef | None = None
    service: Service | None = None
    upstream: ObjectRef | None = None
    way: Way | None = None
    settings: Mesh = _NO_SETTINGS
    limits: tuple[ObjectRef, ...] = ()

    def route_field(self, istio: str, api: str) -> tuple[FieldRef, ...]:
        """The field of the route that says it: below a VirtualService's ``http``, or an HTTPRoute's ``rules``."""
        route = self.route
        if route is None or route.authored is None:
            return ()
        at = FieldRef(route.authored, route.stated[:3])
        return (at / (istio if route.stated[1:2] == ("http",) else api),)

    def rule_field(self, kind: type[Policy], field: str) -> tuple[FieldRef, ...]:
        """The field below ``trafficPolicy`` of the rule that says it, of the narrowest that states such a policy."""
        if self.rule is None:
            return ()
        at = FieldRef(self.rule.ref, ("spec",))
        for index, each in enumerate(self.rule.subsets):
            if self.subset and each.name == self.subset:
                found = _within(at / "subsets" / index / "trafficPolicy", each, self.port, kind)
                if found is not None:
                    return (found / field,)
        found = _within(at / "trafficPolicy", self.rule, self.port, kind)
        return (found / field,) if found is not None else ()


def _within(at: FieldRef, of: DestinationRule | Subset, number: int, kind: type[Policy]) -> FieldRef | None:
    for index, (port, own) in enumerate(of.port_policies):
        if port == number and own.get(kind) is not None:
            return at / "portLevelSettings" / index
    return at if of.policies.get(kind) is not None else None


def _port_and_subset(cluster: str) -> tuple[int, str]:
    _, port, subset, *_ = (*cluster.split("|"), "", "")
    return (int(port) if port.isdecimal() else 0, subset)


class Asked(NamedTuple):
    """A failed call, the pod whose proxy told of it, whether it came in there, and whether the pod is a gateway's."""

    pod: Workload
    call: FailedCall
    inbound: bool = False
    router: bool = False


def known_of(read: Read, asked: Asked) -> Known:
    """What is known of a failed call."""
    pod, call, inbound, router = asked
    proxy = _proxy(pod, router=router)
    own = read.get(held, proxy)
    found = Known(pod.ref, upstream=_upstream(read, call), settings=read.get(mesh))
    if inbound:
        return _of_server(read, pod, own, call, replace(found, limits=_limits(read, pod)))
    dialled = _dialled(call)
    found = replace(found, way=read.get(way, proxy, dialled), route=_route(own, dialled, call, router=router))
    cluster = own.clusters.get(_cluster(found, call))
    if cluster is None:
        return found
    port, subset = _port_and_subset(cluster.name)
    found = replace(found, cluster=cluster, port=port, subset=subset, service=_service(read, cluster))
    return replace(found, rule=_rule(read, cluster.authored))


def _of_server(read: Read, pod: Workload, own: Held, call: FailedCall, found: Known) -> Known:
    """What is known at the proxy of who was called: a rule holds there by the port of the service."""
    number = call.dialled.rpartition(":")[2]
    cluster = own.clusters.get(call.cluster or names.inbound_cluster(int(number) if number.isdecimal() else 0))
    service = _service(read, cluster) if cluster is not None else None
    found = replace(found, cluster=cluster, service=service, pool=_pool(read, pod, number))
    if service is None:
        return found
    at = read.get(rule_at, service.key, Scope(service.namespace, service.namespace))
    stated = read.get(rule, at) if at is not None else None
    ports = read.get(inbound_ports, Offer(pod.namespace, pod.labels, pod.ref.name))
    called = next((each.called for each in ports if cluster and names.inbound_cluster(each.number) == cluster.name), 0)
    return replace(found, port=called, rule=_rule(read, stated.ref) if stated is not None else None)


def _pool(read: Read, pod: Workload, port: str) -> FieldRef | None:
    """Where a Sidecar says what the workload takes at one time on that port."""
    found = sidecar(read, read.get(sidecar_at, pod.namespace, pod.labels))
    if found is None:
        return None
    at = FieldRef(found.ref, ("spec",))
    for index, each in enumerate(found.ingress):
        if str(each.number) == port and each.policies.get(ConnectionPools) is not None:
            return at / "ingress" / index / "connectionPool"
    return at / "inboundConnectionPool" if found.inbound_policies.get(ConnectionPools) is not None else None


def _service(read: Read, cluster: ClusterSpec) -> Service | None:
    hostname, _, namespace = cluster.service
    found: Service | None = read.first(Table.SERVICE, ServiceKey(hostname, namespace))
    return found


def _proxy(pod: Workload, *, router: bool) -> Proxy:
    return Proxy(
        "explain",
        kind="router" if router else SIDECAR,
        namespace=pod.namespace,
        name=pod.ref.name,
        labels=pod.labels,
        addresses=pod.addresses,
        service_account=pod.service_account or "default",
        vhds=False,
    )


def _dialled(call: FailedCall) -> Dialled:
    address, _, port = call.dialled.rpartition(":")
    number = int(port) if port.isdecimal() else 0
    address = address.strip("[]")
    http = HttpRequest(call.method or "GET", call.path or "/", call.host, ())
    return Dialled(without_port(call.host) or address, number, address, http, "")


def _route(own: Held, dialled: Dialled, call: FailedCall, *, router: bool) -> RouteSpec | None:
    """The route that it took: the first that matches and leads where it went; headers are not known any more."""
    if not call.method:
        return None
    listener = opened_on(own.listeners.values(), dialled.port) if router else captured_by(own.listeners, dialled)
    chain = chain_of(listener, dialled) if listener is not None else None
    table = own.tables.get(chain.content.route_table) if chain and isinstance(chain.content, HttpChain) else None
    host = host_of(table, call.host) if table is not None else None
    if chain is None or host is None or not isinstance(chain.content, HttpChain):
        return None
    first = route_of(host, dialled, chain.content.paths)
    if first is not None and _leads(first, call.cluster):
        return first
    return next((each for each in host.routes if call.cluster and _leads(each, call.cluster)), first)


def _leads(route: RouteSpec, cluster: str) -> bool:
    return not cluster or any(each.cluster == cluster for each in route.clusters)


def _cluster(found: Known, call: FailedCall) -> str:
    """The cluster that was called; where none was chosen any more, the one with the largest share."""
    if call.cluster:
        return call.cluster
    if found.route is not None and found.route.clusters:
        return max(found.route.clusters, key=lambda each: each.weight).cluster
    legs = found.way.legs if found.way is not None else ()
    return max(legs, key=lambda each: each.share).cluster if legs else ""


def _rule(read: Read, ref: ObjectRef | None) -> DestinationRule | None:
    if ref is None:
        return None
    rows: Iterable[DestinationRule] = (
        row for key in read.keys(Table.RULE) if key[0] == ref.namespace for row in read.rows(Table.RULE, key)
    )
    return next((each for each in rows if each.ref == ref), None)


def _upstream(read: Read, call: FailedCall) -> ObjectRef | None:
    namespace, slash, name = call.upstream_pod.partition("/")
    if slash:
        return ObjectRef("", "Pod", namespace, name)
    found: Workload | None = read.first(Table.ADDRESS, call.upstream.rpartition(":")[0].strip("[]"))
    return found.ref if found is not None else None


def _limits(read: Read, pod: Workload) -> tuple[ObjectRef, ...]:
    policy = read.get(attached, pod.namespace, pod.labels).get(RateLimits)
    names = [each.name.split("/") for part in policy.parts for each in part.limits] if policy is not None else []
    return tuple(dict.fromkeys(ObjectRef(*_LIMITS, parts[0], parts[1]) for parts in names if len(parts) == 3))
