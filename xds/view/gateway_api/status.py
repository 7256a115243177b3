"""What the status of Gateways and routes says, as values: which condition holds, and the API's reason why not.

Source: the API's conditions (istio-semantics 7.6). Generations, times and others' words are its writer's business.
"""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.conditions import Condition, GatewayStatus, ListenerStatus, ParentStatus
from xds.model.gateway_api import MESH_CONTROLLER, ApiGateway, ApiRoute, Fault, ParentRef
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view.gateway_api.attachment import attached_routes, attachment, gateway_of
from xds.view.gateway_api.backends import fault_of
from xds.view.gateway_api.client_certificate import shown_fault
from xds.view.gateway_api.listeners import ListenerState, controller, listener_states, our_gateway
from xds.view.gateway_api.precedence import meeting
from xds.view.gateway_api.services import is_service
from xds.view.graph import Read

ADDRESSES = ("IPAddress", "Hostname")


def condition(kind: str, fault: Fault | None, reason: str = "") -> Condition:
    """A condition that holds unless there is a fault; ``reason`` is that of one that holds, ``kind`` when empty."""
    if fault is None:
        return Condition(kind, True, reason or kind)
    return Condition(kind, False, fault.reason, fault.message, fault.path)


def gateway_status(
    read: Read, ref: ObjectRef, addresses: tuple[str, ...] = (), programmed: bool = True
) -> GatewayStatus | None:
    """The status of a Gateway of ours; None for others'.

    ``addresses`` are those that it has, ``programmed`` whether proxies serve it there: the cluster's facts.
    """
    gateway = read.get(our_gateway, ref)
    if gateway is None:
        return None
    every = read.get(listener_states, ref)
    states = tuple(state for state in every if state.listener.owner is None)
    accepted = _accepted(gateway, states)
    conditions = [
        accepted,
        _programmed(accepted, addresses, programmed),
        condition("ResolvedRefs", _unresolved(read, gateway, states)),
    ]
    if any(state.listener.optional for state in states):
        kind = "InsecureFrontendValidationMode"
        message = "clients that prove nothing are let in (frontend.validation.mode AllowInsecureFallback)"
        conditions.append(Condition(kind, True, "ConfigurationChanged", message))
    listeners = tuple(_listener(read, ref, state, every, programmed) for state in states)
    serving = {state.listener.owner for state in every if state.served and accepted.holds}
    return GatewayStatus(tuple(conditions), listeners, len(serving - {None}))


def listener_set_status(read: Read, ref: ObjectRef, programmed: bool = True) -> GatewayStatus | None:
    """The status of a ListenerSet that adds to a Gateway of ours; None for others'.

    It is accepted while one of its listeners is served. ``programmed`` is whether proxies serve its Gateway.
    """
    gateway = read.get(gateway_of, ref)
    known = read.get(our_gateway, gateway) if gateway is not None else None
    if gateway is None or known is None:
        return None
    every = read.get(listener_states, gateway)
    fault = _set_fault(known, ref, every)
    conditions = [condition("Accepted", fault)]
    if fault is not None:
        conditions.append(Condition("Programmed", False, fault.reason, fault.message))
    elif programmed:
        conditions.append(Condition("Programmed", True, "Programmed"))
    else:
        conditions.append(Condition("Programmed", False, "ParentNotProgrammed", f"no proxy of {gateway} serves it yet"))
    own = (state for state in every if state.listener.owner == ref)
    return GatewayStatus(tuple(conditions), tuple(_listener(read, gateway, state, every, programmed) for state in own))


def _set_fault(gateway: ApiGateway, ref: ObjectRef, every: tuple[ListenerState, ...]) -> Fault | None:
    own = [state for state in every if state.listener.owner == ref]
    if not own:
        return Fault("NotAllowed", "spec.parentRef", f"{gateway.ref} does not let it add listeners (allowedListeners)")
    if not _accepted(gateway, tuple(state for state in every if state.listener.owner is None)).holds:
        return Fault("ParentNotAccepted", "spec.parentRef", f"{gateway.ref} is not accepted itself")
    if not any(state.served for state in own):
        names = ", ".join(state.listener.name for state in own)
        return Fault("ListenersNotValid", "spec.listeners", f"none is served: {names}")
    return None


def _accepted(gateway: ApiGateway, states: tuple[ListenerState, ...]) -> Condition:
    for index, (kind, _) in enumerate(gateway.addresses):
        if kind not in ADDRESSES:
            at = f"spec.addresses.{index}.type"
            return condition("Accepted", Fault("UnsupportedAddress", at, f"must be IPAddress or Hostname, is {kind}"))
    parameters = gateway.parameters
    if parameters is not None and (parameters.group, parameters.kind) != ("", "ConfigMap"):
        fault = Fault("InvalidParameters", "spec.infrastructure.parametersRef", "must be a ConfigMap")
        return condition("Accepted", fault)
    invalid = [state.listener.name for state in states if not state.valid]
    if not invalid:
        return Condition("Accepted", True, "Accepted")
    message = f"not served: {', '.join(invalid)}"
    return Condition("Accepted", len(invalid) < len(states), "ListenersNotValid", message)


def _programmed(accepted: Condition, addresses: tuple[str, ...], programmed: bool) -> Condition:
    if not accepted.holds:
        return Condition("Programmed", False, "Invalid", accepted.message)
    if not addresses:
        return Condition("Programmed", False, "AddressNotAssigned", "it has no address yet")
    if not programmed:
        return Condition("Programmed", False, "Pending", "no proxy of it is ready yet")
    return Condition("Programmed", True, "Programmed")


def _unresolved(read: Read, gateway: ApiGateway, states: tuple[ListenerState, ...]) -> Fault | None:
    fault = shown_fault(read, gateway)
    if fault is not None:
        return fault
    wrong = [state.listener.name for state in states if state.resolved is not None]
    return Fault("ListenersNotResolved", "", f"see listeners {', '.join(wrong)}") if wrong else None


def _listener(
    read: Read, gateway: ObjectRef, state: ListenerState, others: tuple[ListenerState, ...], programmed: bool
) -> ListenerStatus:
    fault = state.accepted or state.conflict
    conditions = [condition("Accepted", fault), condition("ResolvedRefs", state.resolved)]
    if not state.served:
        unserved = fault or state.resolved
        assert unserved is not None
        reason = unserved.reason if state.conflict is not None and state.listener.owner is not None else "Invalid"
        conditions.append(Condition("Programmed", False, reason, unserved.message))
    elif programmed:
        conditions.append(Condition("Programmed", True, "Programmed"))
    else:
        conditions.append(Condition("Programmed", False, "Pending", "no proxy serves it yet"))
    clash = state.conflict
    conflicted = (True, clash.reason, clash.message) if clash is not None else (False, "NoConflicts", "")
    conditions.append(Condition("Conflicted", *conflicted))
    conditions += _overlapping(state, others)
    attached = [ref for ref, _ in read.get(attached_routes, gateway, state.listener.section) if _is_accepted(read, ref)]
    return ListenerStatus(state.listener.name, state.kinds, len(attached), tuple(conditions))


def _overlapping(state: ListenerState, others: tuple[ListenerState, ...]) -> Iterator[Condition]:
    """A client may reuse a connection for the host of another listener, whose certificate covers it (HTTP/2)."""
    mine = state.listener
    for each in others:
        other = each.listener
        both_https = mine.protocol == other.protocol == "HTTPS" and mine.port == other.port
        if both_https and each is not state and meeting(mine.hostname, other.hostname) is not None:
            message = f"its hosts meet those of listener {other.section}"
            yield Condition("OverlappingTLSConfig", True, "OverlappingHostnames", message)
            return


def _is_accepted(read: Read, ref: ObjectRef) -> bool:
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    return route is not None and _refused(route) is None


def _refused(route: ApiRoute) -> Fault | None:
    """Why nothing of a route can be carried out, by what it says itself."""
    wrong = [rule.faults[0] for rule in route.rules if rule.faults]
    return wrong[0] if wrong and len(wrong) == len(route.rules) else None


def route_status(read: Read, ref: ObjectRef) -> tuple[ParentStatus, ...]:
    """What a route's status says of each of its parents that is ours: our Gateways, and Services."""
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    if route is None:
        return ()
    found = (_parent(read, route, parent, index) for index, parent in enumerate(route.parents))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _parent(read: Read, route: ApiRoute, parent: ParentRef, index: int) -> ParentStatus | None:
    if parent.is_service:
        fault = _service_fault(read, route, parent, f"spec.parentRefs.{index}")
        return ParentStatus(parent, MESH_CONTROLLER, _conditions(read, route, fault, granted=True))
    where = read.get(attachment, route.ref, parent, index)
    if where is None:
        return None
    target = read.get(gateway_of, parent.target(route.ref.namespace))
    gateway = read.get(our_gateway, target) if target is not None else None
    assert gateway is not None
    name = read.get(controller, gateway.class_name)
    return ParentStatus(parent, name, _conditions(read, route, where.fault, granted=False))


def _service_fault(read: Read, route: ApiRoute, parent: ParentRef, at: str) -> Fault | None:
    target = parent.target(route.ref.namespace)
    if not read.get(is_service, target, parent.port):
        what = f"port {parent.port} of {target}" if parent.port else str(target)
        return Fault("NoMatchingParent", at, f"{what} does not exist")
    return None


def _conditions(read: Read, route: ApiRoute, fault: Fault | None, *, granted: bool) -> tuple[Condition, ...]:
    refused = fault or _refused(route)
    found = [condition("Accepted", refused), condition("ResolvedRefs", _unknown_backend(read, route, granted=granted))]
    wrong = [rule.faults[0] for rule in route.rules if rule.faults]
    if wrong and refused is None:
        told = "; ".join(dict.fromkeys(f"{each.path}: {each.message}" for each in wrong))
        found.append(Condition("PartiallyInvalid", True, "UnsupportedValue", f"Dropped Rule: {told}"))
    return tuple(found)


def _unknown_backend(read: Read, route: ApiRoute, *, granted: bool) -> Fault | None:
    for rule in route.rules:
        for backend in (*rule.backends, *rule.mirrors):
            fault = fault_of(read, route.ref, backend, granted)
            if fault is not None:
                return fault
    return None
