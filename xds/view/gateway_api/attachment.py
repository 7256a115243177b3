"""Which routes are attached to which listeners: by name, port, kind, namespace and host."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.gateway import API_GROUP
from xds.model.gateway_api import ApiRoute, Fault, GroupKind, ListenerSet, ParentRef
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view.gateway_api.listeners import ListenerState, admits, listener_states, our_gateway
from xds.view.gateway_api.precedence import meeting
from xds.view.graph import Read


class Attached(NamedTuple):
    """A listener's name, and the hosts for which a route is attached to it (``""`` is any)."""

    section: str
    hosts: tuple[tuple[str, str], ...]  # the host that both mean, the route's own word for it


class Attachment(NamedTuple):
    """To which listeners of a parent a route is attached; without any, ``fault`` says why."""

    to: tuple[Attached, ...]
    fault: Fault | None = None


def attachment(read: Read, ref: ObjectRef, parent: ParentRef, index: int) -> Attachment | None:
    """Where a route is attached by one of its parentRefs, the ``index``-th; None where that is no Gateway of ours.

    A ListenerSet stands for the listeners that it adds to its Gateway.
    """
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    target = parent.target(ref.namespace)
    gateway = read.get(gateway_of, target)
    if route is None or gateway is None:
        return None
    at = f"spec.parentRefs.{index}"
    owner = target if parent.is_listener_set else None
    states = [state for state in read.get(listener_states, gateway) if state.listener.owner == owner]
    meant = [state for state in states if _means(parent, state)]
    if not meant:
        why = f"{target} has no such listener" if states else f"{gateway} does not let {target} add listeners"
        return Attachment((), Fault("NoMatchingParent", at, why))
    allowed = [state for state in meant if _allows(read, state, ref, target.namespace)]
    if not allowed:
        message = f"no listener of {target} that is meant takes {ref.kind} of namespace {ref.namespace}"
        return Attachment((), Fault("NotAllowedByListeners", at, message))
    named = tuple(Attached(state.listener.section, _hosts(state, route)) for state in allowed)
    found = tuple(each for each in named if each.hosts)
    if not found:
        message = f"no listener of {target} that is meant has a host of {', '.join(route.hostnames)}"
        return Attachment((), Fault("NoMatchingListenerHostname", at, message))
    return Attachment(found)


def gateway_of(read: Read, target: ObjectRef) -> ObjectRef | None:
    """The Gateway of ours that a parent means: itself, or that to which a ListenerSet adds listeners; None: neither."""
    if target.kind == "ListenerSet" and target.group == API_GROUP:
        added: ListenerSet | None = read.first(Table.LISTENER_SET, target)
        target = added.gateway if added is not None else target
    known = target.kind == "Gateway" and target.group == API_GROUP and read.get(our_gateway, target) is not None
    return target if known else None


def _means(parent: ParentRef, state: ListenerState) -> bool:
    listener = state.listener
    return (not parent.section or parent.section == listener.name) and parent.port in (0, listener.port)


def _allows(read: Read, state: ListenerState, route: ObjectRef, home: str) -> bool:
    if GroupKind(API_GROUP, route.kind) not in state.kinds:
        return False
    return admits(read, state.listener.admission, route.namespace, home)


def _hosts(state: ListenerState, route: ApiRoute) -> tuple[tuple[str, str], ...]:
    if route.ref.kind == "TCPRoute":
        return (("", ""),)
    pairs = ((meeting(state.listener.hostname, host), host) for host in route.hostnames or ("",))
    return tuple((both, host) for both, host in pairs if both is not None)


def attached_routes(read: Read, gateway: ObjectRef, section: str) -> tuple[tuple[ObjectRef, Attached], ...]:
    """The routes that are attached to a listener, the oldest first, with the hosts for which they are.

    ``section`` is what tells it from all listeners of the Gateway.
    """
    states = (state.listener for state in read.get(listener_states, gateway))
    owner = next((each.owner for each in states if each.section == section), None) or gateway
    found: dict[ObjectRef, tuple[ApiRoute, Attached]] = {}
    for ref in read.rows(Table.PARENT, owner):
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        for index, parent in enumerate(route.parents if route is not None else ()):
            if route is None or parent.target(ref.namespace) != owner:
                continue
            where = read.get(attachment, ref, parent, index)
            to = where.to if where is not None else ()
            at = next((each for each in to if each.section == section), None)
            if at is not None:
                found.setdefault(ref, (route, at))
    ordered = sorted(found.values(), key=lambda pair: pair[0].age)
    return tuple((route.ref, each) for route, each in ordered)
