"""The way of a call through its caller's proxy: who is seen, which route holds, where it leads, what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from xds.explain.path.chains import captured_by, chain_of, opened_on
from xds.explain.path.closed import closed
from xds.explain.path.dialled import Dialled
from xds.explain.path.held import Held, held
from xds.explain.path.legs import legs
from xds.explain.path.requests import host_of, route_of
from xds.explain.path.rewritten import rewritten
from xds.explain.path.seen import beyond_steps, is_hidden, seen_step
from xds.explain.path.steps import End, Leg, Step, Way
from xds.explain.path.words import always_aborted, answered, steps
from xds.model.gateway import API_GROUP
from xds.model.mesh import Paths
from xds.model.proxy import Proxy
from xds.model.refs import FieldRef
from xds.translators.missing_clusters.policy import MissingCluster
from xds.translators.redirects.policy import Redirect
from xds.view import names
from xds.view.graph import Read
from xds.view.specs.listeners import Chain, FoundChain, HttpChain, ListenerSpec, TcpChain
from xds.view.specs.routes import RouteSpec, VirtualHostSpec, WeightedCluster

_NO_ROUTE = 404
_MOVED = 301
_UNAVAILABLE = 503
_UNKNOWN_HOSTS = frozenset({"block_all", "allow_any", "allow_any_dynamic_dns"})


def way(read: Read, proxy: Proxy, dialled: Dialled) -> Way:
    """What the proxy does with a call of its application; of a router, with one that comes in at ``dialled.port``."""
    return _Walk(read, proxy, read.get(held, proxy), dialled).through()


@dataclass(slots=True)
class _Walk:
    read: Read
    proxy: Proxy
    known: Held
    dialled: Dialled
    steps: list[Step] = field(default_factory=list)

    @property
    def router(self) -> bool:
        return self.proxy.kind == "router"

    def through(self) -> Way:
        if not self.router:
            self.steps.append(seen_step(self.read, self.proxy, self.dialled.host, self.dialled.port))
        listener = self._listener()
        chain = chain_of(listener, self.dialled) if listener is not None else None
        if listener is None or chain is None:
            because, guilty = closed(self.read, self.proxy, self.dialled)
            return self._over(End.FAILS, because, http=False, guilty=guilty)
        return self._in(listener, chain)

    def _listener(self) -> ListenerSpec | None:
        listeners = self.known.listeners
        if self.router:
            return opened_on(listeners.values(), self.dialled.port)
        return captured_by(listeners, self.dialled)

    def _in(self, listener: ListenerSpec, chain: Chain) -> Way:
        content = chain.content
        how = f"requests by route table {content.route_table}" if isinstance(content, HttpChain) else "connections"
        self._note("listener", f"{listener.name}, chain {chain.name}: {how}", listener.name)
        if isinstance(content, HttpChain):
            return self._request(content)
        if isinstance(content, FoundChain):
            found = self.known.connections.get(content.name)
            if found is None:
                return self._over(End.FAILS, f"nothing says where {content.name} goes", http=False)
            return self._connection(found.content, content.name)
        return self._connection(content, chain.name)

    def _note(self, what: str, says: str, resource: str, by: tuple[FieldRef, ...] = ()) -> None:
        patched = self.known.patched.get(resource, ())
        more = f"; changed by {', '.join(map(str, patched))}" if patched else ""
        self.steps.append(Step(what, says + more, (*by, *map(FieldRef, patched))))

    # -- connections

    def _connection(self, to: TcpChain, name: str) -> Way:
        authors = tuple(map(FieldRef, self.known.authors.get(name, ())))
        if name != names.UNKNOWN:
            self._note("route", name if authors else f"{name}, as no route says otherwise", name, authors)
        return self._to(to.clusters, authors, http=False)

    # -- requests

    def _request(self, content: HttpChain) -> Way:
        table = self.known.tables.get(content.route_table)
        authority = self.dialled.http.authority
        host = host_of(table, authority) if table is not None else None
        if table is None or host is None:
            domains = ", ".join(domain for each in table.virtual_hosts for domain in each.domains) if table else ""
            because = f"nobody routes the host {authority!r} there, but {domains or 'none'}"
            return self._over(End.FAILS, because, status=_NO_ROUTE)
        self._note("host", host.name.rpartition("/")[2], table.name)
        if host.require_tls and self.dialled.scheme == "http":
            return self._over(End.ANSWERED, "the gateway redirects plain HTTP to https", status=_MOVED)
        route = route_of(host, self.dialled, content.paths)
        if route is None:
            return self._unrouted(host)
        return self._routed(route, content.paths)

    def _unrouted(self, host: VirtualHostSpec) -> Way:
        authors = dict.fromkeys(each.authored for each in host.routes if each.authored is not None)
        said = f"no route of {', '.join(map(str, authors)) or host.name} matches"
        guilty = tuple(map(FieldRef, authors))
        self.steps.append(Step("route", said, guilty))
        return self._over(End.FAILS, said, status=_NO_ROUTE, guilty=guilty)

    def _routed(self, route: RouteSpec, paths: Paths) -> Way:
        at = (FieldRef(route.authored, route.stated),) if route.authored is not None else ()
        if route.name in _UNKNOWN_HOSTS and not at:
            self.steps += beyond_steps(self.read, self.proxy)
        else:
            said = f"{at[0]}" if at else "the default one: no VirtualService or HTTPRoute routes this host"
            self.steps.append(Step("route", f"{said}{f' ({route.name})' if route.name and at else ''}", at))
        answer = answered(route.policies)
        if answer is not None:
            return self._answered(route, answer, at)
        self.steps += steps(route.policies, at)
        aborted = always_aborted(route.policies)
        if aborted:
            return self._over(End.ANSWERED, f"a fault answers every request with {aborted}", status=aborted, guilty=at)
        missing = route.policies.get(MissingCluster)
        found = self._to(route.clusters, at, http=True, status=missing.status if missing is not None else _UNAVAILABLE)
        shares = {each.cluster: each.policies.over(route.policies) for each in route.clusters}

        def forwarded(leg: Leg) -> Leg:
            policies = shares.get(leg.cluster, route.policies)
            http = rewritten(self.dialled.http, route.match, policies, paths)
            return replace(leg, http=http, status=missing.status if missing is not None else _UNAVAILABLE)

        return replace(found, legs=tuple(map(forwarded, found.legs)))

    def _answered(self, route: RouteSpec, answer: tuple[int, str], at: tuple[FieldRef, ...]) -> Way:
        status, because = answer
        if not at:
            blocked = tuple(each for step in self.steps for each in step.by if step.what in ("sees", "beyond"))
            because = f"nobody that the caller sees has the host {self.dialled.host!r}, and what is unknown is refused"
            return self._over(End.FAILS, because, status=status, guilty=blocked)
        if at[0].object.group == API_GROUP and route.policies.get(Redirect) is None:
            # Its routes have no such action: this is what becomes of a rule that cannot be carried out.
            because = f"{at[0]} has no backend that may be called; see its status"
            return self._over(End.FAILS, because, status=status, guilty=at)
        self.steps.append(Step("answer", because, at))
        return self._over(End.ANSWERED, because, status=status, guilty=at)

    # -- destinations

    def _to(
        self, shares: tuple[WeightedCluster, ...], at: tuple[FieldRef, ...], *, http: bool, status: int = _UNAVAILABLE
    ) -> Way:
        first = shares[0].cluster if shares else names.BLACK_HOLE
        if first in (names.BLACK_HOLE, names.PASSTHROUGH, names.DYNAMIC_DNS):
            return self._beyond(first, http=http)
        found = tuple(legs(self.read, self.known, shares, at))
        alive = [leg for leg in found if not leg.fault and leg.share]
        if not alive:
            bad = next((leg for leg in found if leg.share), found[0])
            return self._over(End.FAILS, bad.fault, found, status=status if http else 0, http=http, guilty=bad.guilty)
        if all(leg.resolved for leg in alive):
            return self._over(End.LEAVES, "it goes to where the name leads", found, http=http)
        return self._over(End.FORWARDED, "", found, http=http)

    def _beyond(self, cluster: str, *, http: bool) -> Way:
        if not http and not self.router:
            self.steps += beyond_steps(self.read, self.proxy)
        blocked = tuple(each for step in self.steps for each in step.by if step.what in ("sees", "beyond"))
        if cluster == names.BLACK_HOLE:
            because = "it goes nowhere (BlackHoleCluster): what the caller does not know is refused"
            return self._over(End.FAILS, because, status=_UNAVAILABLE if http else 0, http=http, guilty=blocked)
        because = "it is passed on to the address that was dialled, as it is"
        hidden = tuple(each for step in self.steps if is_hidden(step) for each in step.by)
        return self._over(End.LEAVES, because, http=http, guilty=hidden)

    def _over(
        self,
        end: End,
        because: str,
        legs: tuple[Leg, ...] = (),
        *,
        status: int = 0,
        http: bool = True,
        guilty: tuple[FieldRef, ...] = (),
    ) -> Way:
        return Way(tuple(self.steps), end, because, legs, status, http, guilty)
