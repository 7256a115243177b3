"""What each object of the Gateway API is to say: its class, its routes, whether its Gateway is reached."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

from xds.app import ControlPlane
from xds.cluster.gateways import Gateways
from xds.controllers.conditions import shortened
from xds.controllers.gateway_api.addresses import Reached, reached
from xds.controllers.gateway_api.features import SUPPORTED
from xds.controllers.gateway_api.status import Wanted
from xds.controllers.live_count import NOWHERE, LiveCount, RejectedBy
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.gateway_api.backend_tls_policy import BackendTLSPolicy
from xds.kinds.gateway_api.connection_route import TCPRoute, TLSRoute
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.gateway_api.gateway_class import GatewayClass
from xds.kinds.gateway_api.grpc_route import GRPCRoute
from xds.kinds.gateway_api.http_route import HTTPRoute
from xds.kinds.gateway_api.listener_set import ListenerSet
from xds.model.conditions import Condition, GatewayStatus, ListenerStatus, ParentStatus
from xds.model.gateway_api import MESH_CONTROLLER
from xds.model.mesh import settings_of
from xds.model.object import Object
from xds.model.refs import ObjectRef
from xds.settings import Settings
from xds.slices import Slices, in_slices
from xds.view.gateway_api.attachment import gateway_of
from xds.view.gateway_api.backend_tls import policy_status
from xds.view.gateway_api.status import gateway_status, listener_set_status, route_status
from xds.view.graph import Call

Json = dict[str, Any]

_ROUTES: Final = (HTTPRoute, GRPCRoute, TLSRoute, TCPRoute)
STATUS_KINDS: Final = tuple(struct.KIND for struct in (GatewayClass, Gateway, ListenerSet, *_ROUTES, BackendTLSPolicy))
"""The kinds whose objects say how they do."""


def controllers_of_status(settings: Settings) -> tuple[str, ...]:
    """The names under which they say it."""
    return (*settings.served_gateway_controllers, MESH_CONTROLLER)


_SLICE: Final = EndpointSlice.KIND
_OBJECTS_A_SLICE: Final = 64


class GatewayStatuses:
    """Gathers what is to be said.

    ``failures`` are of Gateways whose routers could not be made, ``counts`` what proxies refuse (None: not known).
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        gateways: Gateways,
        failures: Callable[[], Mapping[ObjectRef, str]],
        counts: Callable[[], Mapping[ObjectRef, LiveCount] | None],
    ) -> None:
        self._control_plane = control_plane
        self._store = control_plane.store
        self._gateways = gateways
        self._failures = failures
        self._counts = counts
        self._kept: set[Call] = set()
        self._asked: set[Call] = set()
        self._ready: dict[ObjectRef, bool] = {}

    async def wanted(self) -> dict[ObjectRef, Wanted]:
        """What every object is to say."""
        await self._gateways.settled()
        self._asked = set()
        found = await in_slices(self._gathered())
        for unused in self._kept - self._asked:
            self._control_plane.graph.release(unused)
        self._kept = self._asked
        return found

    def _gathered(self) -> Slices[dict[ObjectRef, Wanted]]:
        found: dict[ObjectRef, Wanted] = {}
        for number, (each, status) in enumerate(self._all()):
            found[each.ref] = Wanted(each.generation, status)
            if number % _OBJECTS_A_SLICE == 0:
                yield
        return found

    def _read(self, maker: Callable[..., Any], *arguments: Hashable) -> Any:
        """What a maker answers now; it is kept until a round does not ask for it."""
        wanted = Call(maker, arguments)
        self._asked.add(wanted)
        return self._control_plane.graph.get(wanted)

    def _all(self) -> Iterator[tuple[Object[Any], Json]]:
        classes = self._gateways.classes()
        for each in self._store.of_kind(GatewayClass.KIND.group, GatewayClass.KIND.name):
            if each.ref.name in classes:
                yield each, _of_class(each.struct)
        self._ready = {}
        gateways = list(self._gateways.of_ours())
        slices = self._slices({each.ref.namespace for each in gateways})
        for gateway in gateways:
            yield gateway, self._of_gateway(gateway, slices[gateway.ref.namespace])
        for added in self._store.of_kind(ListenerSet.KIND.group, ListenerSet.KIND.name):
            yield added, self._of_set(added.ref)
        for struct in _ROUTES:
            for route in self._store.of_kind(struct.KIND.group, struct.KIND.name):
                said: tuple[ParentStatus, ...] = self._read(route_status, route.ref)
                yield route, {"parents": [_parent(each, "parentRef") for each in said]}
        for policy in self._store.of_kind(BackendTLSPolicy.KIND.group, BackendTLSPolicy.KIND.name):
            told: tuple[ParentStatus, ...] = self._read(policy_status, policy.ref)
            yield policy, {"ancestors": [_parent(each, "ancestorRef") for each in told]}

    def _slices(self, namespaces: Collection[str]) -> dict[str, list[EndpointSlice]]:
        """The EndpointSlices of namespaces."""
        found: dict[str, list[EndpointSlice]] = {namespace: [] for namespace in namespaces}
        for each in self._store.of_kind(_SLICE.group, _SLICE.name) if namespaces else ():
            if each.ref.namespace in found and not each.ref.cluster:
                found[each.ref.namespace].append(each.struct)
        return found

    def _of_gateway(self, gateway: Object[Gateway], slices: Sequence[EndpointSlice]) -> Json:
        domain = settings_of(self._control_plane.snapshot()).domain
        where = reached(gateway.struct, self._struct, slices, domain)
        self._ready[gateway.ref] = where.ready
        values = tuple(value for _, value in where.addresses)
        found: GatewayStatus | None = self._read(gateway_status, gateway.ref, values, where.ready)
        if found is None:
            return {}
        failure = self._failures().get(gateway.ref, "")
        refused = (self._counts() or {}).get(gateway.ref, NOWHERE).rejections
        conditions = [_unless_refused(_programmed(each, where, failure), refused) for each in found.conditions]
        return {
            "conditions": [_condition(each) for each in conditions],
            "addresses": [{"type": kind, "value": value} for kind, value in where.addresses],
            "listeners": [_listener(each) for each in found.listeners],
            # Definitions of older versions have no such field; none is said where there is nothing to say.
            **({"attachedListenerSets": found.sets} if gateway.struct.spec.allowed_listeners is not None else {}),
        }

    def _of_set(self, ref: ObjectRef) -> Json:
        gateway: ObjectRef | None = self._read(gateway_of, ref)
        found: GatewayStatus | None = None
        if gateway is not None and gateway in self._ready:
            found = self._read(listener_set_status, ref, self._ready[gateway])
        if found is None:
            return {}
        return {
            "conditions": [_condition(each) for each in found.conditions],
            "listeners": [_listener(each) for each in found.listeners],
        }

    def _struct(self, ref: ObjectRef) -> object | None:
        found = self._store.get(ref)
        return None if found is None else found.struct


def _of_class(struct: GatewayClass) -> Json:
    accepted = Condition("Accepted", True, "Accepted")
    if struct.spec.parameters_ref is not None:
        accepted = Condition("Accepted", False, "InvalidParameters", "must have no parametersRef: none is read")
    return {
        "conditions": [_condition(accepted), _condition(Condition("SupportedVersion", True, "SupportedVersion"))],
        "supportedFeatures": [{"name": name} for name in SUPPORTED],
    }


def _programmed(stated: Condition, where: Reached, failure: str) -> Condition:
    """The condition, with why a Gateway is not reached where that is known better here."""
    if stated.type != "Programmed" or stated.holds or stated.reason == "Invalid":
        return stated
    if failure:
        return Condition("Programmed", False, "NoResources", failure)
    if where.unusable:
        return Condition("Programmed", False, "AddressNotUsable", where.why)
    return stated._replace(message=where.why or stated.message, at="")


def _unless_refused(stated: Condition, refused: Sequence[RejectedBy]) -> Condition:
    """The condition, false where proxies have refused what was made of the Gateway: what they had before is served."""
    if stated.type != "Programmed" or not stated.holds or not refused:
        return stated
    told = shortened("; ".join(f"{each.proxy}: {' '.join(each.reason.split())}" for each in refused))
    return Condition("Programmed", False, "Invalid", f"rejected by {told}")


def _condition(stated: Condition) -> Json:
    """As JSON, without what the writer knows."""
    status = "True" if stated.holds else "False"
    return {"type": stated.type, "status": status, "reason": stated.reason, "message": stated.text}


def _listener(stated: ListenerStatus) -> Json:
    return {
        "name": stated.name,
        "supportedKinds": [{"group": each.group, "kind": each.kind} for each in stated.supported_kinds],
        "attachedRoutes": stated.attached_routes,
        "conditions": [_condition(each) for each in stated.conditions],
    }


def _parent(stated: ParentStatus, named: str) -> Json:
    parent = stated.parent
    reference: Json = {"group": parent.group, "kind": parent.kind, "name": parent.name}
    if parent.namespace:
        reference["namespace"] = parent.namespace
    if parent.section:
        reference["sectionName"] = parent.section
    if parent.port:
        reference["port"] = parent.port
    return {
        named: reference,
        "controllerName": stated.controller,
        "conditions": [_condition(each) for each in stated.conditions],
    }
