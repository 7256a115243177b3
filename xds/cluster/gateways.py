"""What the Gateway API's objects in a cluster are to have: their status, and the proxies of Gateways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from xds.app import ControlPlane
from xds.cluster.injection import injection_settings
from xds.controllers.gateway_api.addresses import is_managed
from xds.controllers.gateway_api.gateway_objects import Json, objects_for
from xds.controllers.gateway_api.names import CLASS
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.gateway_api.gateway_class import GatewayClass
from xds.model.gateway_api import CONTROLLER
from xds.model.injection import REVISION
from xds.model.object import Object
from xds.model.refs import ObjectRef
from xds.model.revision import DEFAULT_REVISION
from xds.settings import Settings
from xds.view.gateway_api.listeners import ListenerState, listener_states
from xds.view.graph import Call
from xds.webhooks.inject import InjectionSettings, inject
from xds.webhooks.inject.subject import Workload

_CLASS: Final = GatewayClass.KIND
_GATEWAY: Final = Gateway.KIND
_PATIENCE_S: Final = 1.0


class _Made(NamedTuple):
    """What was made for a Gateway, and of what."""

    gateway: Gateway
    settings: InjectionSettings
    added: tuple[tuple[int, str], ...]
    objects: tuple[Json, ...]


class Gateways:
    """The Gateways of classes that are ours, as the store of ``control_plane`` has them."""

    def __init__(self, control_plane: ControlPlane, settings: Settings) -> None:
        self._control_plane = control_plane
        self._store = control_plane.store
        self._settings = settings
        self._controllers = settings.served_gateway_controllers
        self._made: dict[ObjectRef, _Made] = {}

    def classes(self) -> dict[str, str]:
        """The controllers that are ours, by the name of the class."""
        every = self._store.of_kind(_CLASS.group, _CLASS.name)
        stated = {each.ref.name: str(each.struct.spec.controller_name) for each in every}
        return {name: controller for name, controller in stated.items() if controller in self._controllers}

    def class_there(self) -> bool:
        """Whether the class that is made by default is known, or would not be ours."""
        known = self._store.get(ObjectRef(_CLASS.group, _CLASS.name, "", CLASS)) is not None
        return known or CONTROLLER not in self._controllers

    def there(self, ref: ObjectRef) -> bool:
        """Whether an object is known to be there."""
        return self._store.get(ref) is not None

    def of_ours(self) -> Iterator[Object[Gateway]]:
        """The Gateways that this revision answers for: of a class of ours, with its label or none."""
        classes = self.classes()
        for each in self._store.of_kind(_GATEWAY.group, _GATEWAY.name) if classes else ():
            revision = each.struct.metadata.labels.get(REVISION) or DEFAULT_REVISION
            if each.struct.spec.gateway_class_name in classes and revision == self._settings.revision:
                yield each

    def objects(self) -> dict[ObjectRef, tuple[Json, ...]]:
        """What is made for each Gateway that is managed."""
        settings = injection_settings(self._settings, self._control_plane.snapshot(), self._store)

        def make_pod(pod: Json, namespace: str, deployment: str) -> Json | None:
            return inject(pod, namespace, settings, Workload("Deployment", deployment)).pod

        made: dict[ObjectRef, _Made] = {}
        for each in self.of_ours():
            if is_managed(each.struct) and not _is_going(each.struct):
                known, added = self._made.get(each.ref), self._added(each.ref)
                if known is None or (known.gateway, known.settings, known.added) != (each.struct, settings, added):
                    known = _Made(each.struct, settings, added, objects_for(each.struct, make_pod, added))
                made[each.ref] = known
        for gone in self._made.keys() - made.keys():
            self._control_plane.graph.release(Call(listener_states, (gone,)))
        self._made = made
        return {ref: each.objects for ref, each in made.items() if each.objects}

    def _added(self, ref: ObjectRef) -> tuple[tuple[int, str], ...]:
        """Ports and protocols of the listeners that ListenerSets add to a Gateway."""
        states: tuple[ListenerState, ...] = self._control_plane.graph.get(Call(listener_states, (ref,)))
        added = (each.listener for each in states if each.listener.owner is not None and each.served)
        return tuple(sorted({(each.port, each.protocol) for each in added}))

    async def settled(self) -> None:
        """Return when all that the store has is in the graph; while changes follow each other, after a second.

        Then what is said of an object may for a moment be of the content before.
        """
        idle = self._control_plane.idle
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_S):
                while not idle.is_set():  # it may be cleared again before we run
                    await idle.wait()


def _is_going(gateway: Gateway) -> bool:
    return gateway.metadata.deletion_timestamp is not None
