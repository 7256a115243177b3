"""Rules of routes as what is done with requests: destinations that exist, 500 for what cannot be carried out."""

from __future__ import annotations

from typing import Final, NamedTuple

from xds.model.gateway import BoundRoute
from xds.model.gateway_api import ApiRoute, Backend, Rule
from xds.model.policy import NO_POLICIES, Answering, Arriving, Copying, Policies
from xds.model.refs import ObjectRef
from xds.model.route import Destination, HttpRoute, WeightedDestination
from xds.model.snapshot import Table
from xds.view.gateway_api.backends import fault_of
from xds.view.graph import Read

NOWHERE: Final = Destination("backend.invalid", "", 1)
"""Where the share of a backend goes that cannot be used: no cluster has this name."""


class Entrance(NamedTuple):
    """Where requests come in: the port, whether by TLS, and whether from within the mesh, where no grants are asked."""

    port: int
    tls: bool = False
    mesh: bool = False


def alternatives(read: Read, ref: ObjectRef, entrance: Entrance) -> tuple[BoundRoute, ...]:
    """What is done with the requests of each of a route's rules for HTTP, as written; of those that can be matched."""
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    if route is None:
        return ()
    return tuple(
        _bound(read, route, rule, entrance) for rule in route.rules if rule.http is not None and not rule.dropped
    )


def _bound(read: Read, route: ApiRoute, rule: Rule, entrance: Entrance) -> BoundRoute:
    assert rule.http is not None  # which has exactly one match
    match = rule.http.matches[0]
    policies, shares = _carried_out(read, route, rule, entrance)
    made = HttpRoute(_name(route, rule), rule.http.matches, shares, policies)
    return BoundRoute(route.ref, made, match)


def _name(route: ApiRoute, rule: Rule) -> str:
    assert rule.http is not None
    return f"{route.ref.namespace}.{route.ref.name}.{rule.http.name}"


def _carried_out(
    read: Read, route: ApiRoute, rule: Rule, entrance: Entrance
) -> tuple[Policies, tuple[WeightedDestination, ...]]:
    assert rule.http is not None
    if rule.faults:
        return route.failing, ()
    policies = _placed(read, route, rule, entrance)
    if any(policy.answers for policy in policies.that(Answering)):
        return policies, ()
    used = [each for each in rule.backends if each.weight > 0]
    faults = [fault_of(read, route.ref, each, entrance.mesh) for each in used]
    if all(faults):  # none at all, too
        return route.failing, ()
    shares = tuple(_share(each, usable=fault is None) for each, fault in zip(used, faults, strict=True))
    return policies.adding(*route.missing) if any(faults) else policies, shares


def connection_shares(read: Read, route: ApiRoute, *, granted: bool) -> tuple[WeightedDestination, ...]:
    """Where connections go under a route's first rule, the only one that counts; nowhere without backends.

    ``granted``: no ReferenceGrant is asked for.
    """
    backends = [each for rule in route.rules[:1] for each in rule.backends if each.weight > 0]
    shares = tuple(_share(each, usable=fault_of(read, route.ref, each, granted) is None) for each in backends)
    return shares or (WeightedDestination(NOWHERE, 1, NO_POLICIES),)


def _share(backend: Backend, *, usable: bool) -> WeightedDestination:
    return WeightedDestination(backend.destination if usable else NOWHERE, backend.weight, backend.policies)


def _placed(read: Read, route: ApiRoute, rule: Rule, entrance: Entrance) -> Policies:
    """The rule's policies with what depends on where requests come in, and without mirrors that may not be."""
    assert rule.http is not None
    policies = rule.http.policies
    for arriving in policies.that(Arriving):
        policies = policies.adding(arriving.at_port(entrance.port, tls=entrance.tls))
    good = {each.destination for each in rule.mirrors if fault_of(read, route.ref, each, entrance.mesh) is None}
    for copying in policies.that(Copying):
        policies = policies.adding(copying.only_to(good.__contains__))
    return policies
