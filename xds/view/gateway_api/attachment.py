"""Which routes are attached to which listeners: by name, port, kind, namespace and host."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.gateway import API_GROUP
from xds.model.gateway_api import Admission, ApiRoute, Fault, GroupKind, ParentRef
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.model.workload import Namespace
from xds.view.gateway_api.listeners import ListenerState, listener_states, our_gateway
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
    """Where a route is attached by one of its parentRefs, the ``index``-th; None where that is no Gateway of ours."""
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    gateway = parent.target(ref.namespace)
    if route is None or not parent.is_gateway or read.get(our_gateway, gateway) is None:
        return None
    at = f"spec.parentRefs.{index}"
    states = read.get(listener_states, gateway)
    meant = [state for state in states if _means(parent, state)]
    if not meant:
        return Attachment((), Fault("NoMatchingParent", at, f"{gateway} has no such listener"))
    allowed = [state for state in meant if _allows(read, state, ref, gateway.namespace)]
    if not allowed:
        message = f"no listener of {gateway} that is meant takes {ref.kind} of namespace {ref.namespace}"
        return Attachment((), Fault("NotAllowedByListeners", at, message))
    named = tuple(Attached(state.listener.name, _hosts(state, route)) for state in allowed)
    found = tuple(each for each in named if each.hosts)
    if not found:
        message = f"no listener of {gateway} that is meant has a host of {', '.join(route.hostnames)}"
        return Attachment((), Fault("NoMatchingListenerHostname", at, message))
    return Attachment(found)


def _means(parent: ParentRef, state: ListenerState) -> bool:
    listener = state.listener
    return (not parent.section or parent.section == listener.name) and parent.port in (0, listener.port)


def _allows(read: Read, state: ListenerState, route: ObjectRef, home: str) -> bool:
    if GroupKind(API_GROUP, route.kind) not in state.kinds:
        return False
    return _admits(read, state.listener.admission, route.namespace, home)


def _admits(read: Read, admission: Admission, namespace: str, home: str) -> bool:
    if admission.sources == "Selector":
        known = read.get(namespace_labels, namespace)
        return bool(admission.selector) and all(each.holds(known) for each in admission.selector)
    return admission.sources == "All" or (admission.sources == "Same" and namespace == home)


def namespace_labels(read: Read, name: str) -> Labels:
    """The labels of a namespace, with that which Kubernetes gives each."""
    found: Namespace | None = read.first(Table.NAMESPACE, name)
    known = found.labels if found is not None else NO_LABELS
    return known | {("kubernetes.io/metadata.name", name)}


def _hosts(state: ListenerState, route: ApiRoute) -> tuple[tuple[str, str], ...]:
    if route.ref.kind == "TCPRoute":
        return (("", ""),)
    pairs = ((meeting(state.listener.hostname, host), host) for host in route.hostnames or ("",))
    return tuple((both, host) for both, host in pairs if both is not None)


def attached_routes(read: Read, gateway: ObjectRef, section: str) -> tuple[tuple[ObjectRef, Attached], ...]:
    """The routes that are attached to a listener, the oldest first, with the hosts for which they are."""
    found: dict[ObjectRef, tuple[ApiRoute, Attached]] = {}
    for ref in read.rows(Table.PARENT, gateway):
        route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
        for index, parent in enumerate(route.parents if route is not None else ()):
            if route is None or parent.target(ref.namespace) != gateway:
                continue
            where = read.get(attachment, ref, parent, index)
            to = where.to if where is not None else ()
            at = next((each for each in to if each.section == section), None)
            if at is not None:
                found.setdefault(ref, (route, at))
    ordered = sorted(found.values(), key=lambda pair: pair[0].age)
    return tuple((route.ref, each) for route, each in ordered)
