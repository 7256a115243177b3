"""The GatewayClass of Plait: made where the Gateway API is served and there is none of that name, never changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.gateway_api.names import CLASS
from xds.controllers.rest import ABSENT, CONFLICT, Rest
from xds.controllers.rounds import Rounds
from xds.events import Event
from xds.kinds.gateway_api.gateway_class import GatewayClass
from xds.model.api_path import collection
from xds.model.gateway_api import CONTROLLER
from xds.model.well_known import OURS

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=5)


class GatewayClassMaker:
    """Makes it, whoever has deleted it; ``there`` is whether a class of that name is known, whoever's it is.

    The definitions of the Gateway API may come at any time, or never.
    """

    def __init__(self, api_client: Any, there: Callable[[], bool]) -> None:
        self._rest = Rest(api_client)
        self._there = there
        self._rounds = Rounds(self._look, _EVERY, Event.GATEWAY_CLASS_NOT_MADE)

    async def run(self) -> None:
        """Look after it, for ever."""
        await self._rounds.run()

    async def _look(self) -> None:
        if not self._there() and await asyncio.to_thread(self._make):
            log.info(Event.GATEWAY_CLASS_MADE, name=CLASS)

    def _make(self) -> bool:
        kind = GatewayClass.KIND
        version = kind.versions[0]
        body = {
            "apiVersion": f"{kind.group}/{version}",
            "kind": kind.name,
            "metadata": {"name": CLASS, "labels": dict(OURS)},
            "spec": {"controllerName": CONTROLLER, "description": "Gateways of the mesh: Envoy as a router."},
        }
        try:
            self._rest.create(collection(kind.group, version, kind.plural), body)
        except ApiException as error:
            # Nobody serves the Gateway API; or it is there, and we have not heard of it yet.
            if error.status not in (ABSENT, CONFLICT):
                raise
            return False
        return True
