"""Gateways, routes and policies of the Gateway API: what their status says, as findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xds.model.conditions import Condition
from xds.model.gateway_api import MESH_CONTROLLER, ApiGateway, ApiRoute, ListenerSet
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.route import VirtualService
from xds.model.snapshot import Table
from xds.view.attach import exported_to_all, route_owner
from xds.view.gateway_api.backend_tls import policy_status
from xds.view.gateway_api.bound import servers, too_many
from xds.view.gateway_api.listeners import controller
from xds.view.gateway_api.mesh_routes import HTTP_KINDS
from xds.view.gateway_api.status import gateway_status, listener_set_status, route_status
from xds.view.graph import Read
from xds.view.scope import mesh

_PARENT_UNKNOWN: Final = "gateway-api.parent-unknown"


def check_gateway(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a Gateway of ours and with its listeners."""
    status = read.get(gateway_status, ref)
    if status is None:
        return tuple(_nobodys(read, ref))
    every = [*status.conditions, *(each for listener in status.listeners for each in listener.conditions)]
    return tuple(dict.fromkeys(_problems(ref, every)))


def check_route(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a route, over all of its parents."""
    every = [each for parent in read.get(route_status, ref) for each in parent.conditions]
    return tuple(dict.fromkeys((*_problems(ref, every), *_parents(read, ref), *_beside(read, ref))))


def check_listener_set(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a ListenerSet and with its listeners."""
    found: ListenerSet | None = read.first(Table.LISTENER_SET, ref)
    status = read.get(listener_set_status, ref)
    if status is None:
        if found is None or read.rows(Table.API_GATEWAY, found.gateway):
            return ()
        at = FieldRef(ref, ("spec", "parentRef"))
        return (Problem(at, "gateway-api.parent-unknown", _unknown(found.gateway), Severity.WARNING),)
    every = [*status.conditions, *(each for listener in status.listeners for each in listener.conditions)]
    return tuple(dict.fromkeys(_problems(ref, every)))


def check_policy(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a BackendTLSPolicy."""
    ancestors = [parent for parent in read.get(policy_status, ref) if parent.controller == MESH_CONTROLLER]
    return tuple(dict.fromkeys(_problems(ref, [each for parent in ancestors for each in parent.conditions])))


def without_known(found: Iterable[Problem]) -> list[Problem]:
    """The findings without those that a parent is not there, where it is, and its errors are said."""
    every = list(found)
    wrong = {_unknown(each.at.object) for each in every if each.severity is Severity.ERROR}
    return [each for each in every if each.code != _PARENT_UNKNOWN or each.message not in wrong]


def _unknown(parent: ObjectRef) -> str:
    return f"there is no {parent}"


def _nobodys(read: Read, ref: ObjectRef) -> Iterator[Problem]:
    gateway: ApiGateway | None = read.first(Table.API_GATEWAY, ref)
    if gateway is not None and not read.get(controller, gateway.class_name):
        at = FieldRef(ref, ("spec", "gatewayClassName"))
        message = (
            f"there is no GatewayClass {gateway.class_name!r}: nobody serves this Gateway; "
            "make one, with controllerName plait.dev/gateway-controller"
        )
        yield Problem(at, "gateway-api.class-unknown", message, Severity.WARNING)


def _parents(read: Read, ref: ObjectRef) -> Iterator[Problem]:
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    for index, parent in enumerate(route.parents if route is not None else ()):
        target = parent.target(ref.namespace)
        known = Table.LISTENER_SET if parent.is_listener_set else Table.API_GATEWAY
        if (parent.is_gateway or parent.is_listener_set) and not read.rows(known, target):
            at = FieldRef(ref, ("spec", "parentRefs", index))
            yield Problem(at, "gateway-api.parent-unknown", _unknown(target), Severity.WARNING)
        elif parent.is_gateway and any(ref in read.get(too_many, target, each) for each in read.get(servers, target)):
            at = FieldRef(ref, ("spec", "parentRefs", index))
            message = f"its hosts times rules are too many for {target}, beside those of older ones; is left out there"
            yield Problem(at, "gateway-api.full", message)


def _beside(read: Read, ref: ObjectRef) -> Iterator[Problem]:
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    for index, parent in enumerate(route.parents if route is not None and ref.kind in HTTP_KINDS else ()):
        if not parent.is_service:
            continue
        service = parent.target(ref.namespace)
        host = f"{service.name}.{service.namespace}.svc.{read.get(mesh).domain}"
        owner = read.get(route_owner, host, service.namespace)
        routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, owner) if owner is not None else None
        if routed is None or not routed.http:
            continue
        at = FieldRef(ref, ("spec", "parentRefs", index))
        if exported_to_all(read, routed):
            message = f"takes the place of {owner}, whose http routes no longer hold for {service}"
        else:
            message = f"does not hold for callers to whom {owner} is exported, as that is for few only"
        yield Problem(at, "gateway-api.beside-virtual-service", message, Severity.WARNING)


def _problems(ref: ObjectRef, conditions: Iterable[Condition]) -> Iterator[Problem]:
    for each in conditions:
        at = FieldRef(ref, _path(each.at))
        message = f"{each.message} ({each.reason})"
        if each.type == "Accepted" and not each.holds and each.at:
            yield Problem(at, "gateway-api.not-accepted", message)
        elif each.type == "ResolvedRefs" and not each.holds and each.at:
            yield Problem(at, "gateway-api.unresolved", message)
        elif each.type == "PartiallyInvalid":
            yield Problem(at, "gateway-api.partly", f"is not all carried out: {each.message}", Severity.WARNING)
        elif each.type == "OverlappingTLSConfig":
            yield Problem(at, "gateway-api.overlapping", each.message, Severity.INFO)


def _path(dotted: str) -> tuple[str | int, ...]:
    steps = dotted.split(".") if dotted else ["spec"]
    return tuple(int(step) if step.isdecimal() else step for step in steps)
