"""Applies what is made for Gateways; with a Gateway all of that goes, by its owner references."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.gateway_api.gateway_objects import Json
from xds.controllers.rest import ABSENT, CONFLICT, Rest, is_of_server
from xds.controllers.rounds import Rounds, reason
from xds.events import Event
from xds.model.api_path import collection, item
from xds.model.gateway_api import GATEWAY_NAME
from xds.model.refs import ObjectRef
from xds.model.well_known import OURS, PRODUCT

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=5)
_PACE_S: Final = 0.02
_AGAIN_S: Final = 5.0
_LATER_S: Final = 30.0
_PLURALS: Final = {"ServiceAccount": "serviceaccounts", "Deployment": "deployments", "Service": "services"}

Wanted = Mapping[ObjectRef, tuple[Json, ...]]


class _Tried(NamedTuple):
    """What was applied last, or failed to be, and when it may be again."""

    text: str
    not_before: float


class _OfSomebodyElseError(Exception):
    """What is to be made is there already, and not ours."""


class GatewayProxies:
    """Keeps in the cluster what is ``wanted`` for each Gateway; ``there`` is whether an object is known to be.

    What somebody else has set in an object stays, and is told; an object of that name that was not made for the
    Gateway is left alone. ``failures`` says of Gateways why theirs is not there.
    """

    def __init__(self, api_client: Any, wanted: Callable[[], Wanted], there: Callable[[ObjectRef], bool]) -> None:
        self._rest = Rest(api_client)
        self._wanted = wanted
        self._there = there
        self._rounds = Rounds(self._look, _EVERY, Event.GATEWAY_NOT_DEPLOYED)
        self._applied: dict[ObjectRef, str] = {}
        self._tried: dict[ObjectRef, _Tried] = {}
        self.failures: dict[ObjectRef, str] = {}

    def changed(self) -> None:
        """Something else may be wanted, or be gone."""
        self._rounds.changed()

    async def run(self) -> None:
        """Keep them there, for ever; begins anew each time."""
        self._applied, self._tried = {}, {}
        await self._rounds.run()

    async def _look(self) -> None:
        wanted = self._wanted()
        for known in (self._applied, self._tried, self.failures):
            for gone in known.keys() - wanted.keys():
                del known[gone]
        for ref, objects in wanted.items():
            text = json.dumps(objects, sort_keys=True)
            if self._is_due(ref, objects, text):
                await self._bring(ref, objects, text)
                await asyncio.sleep(_PACE_S)

    def _is_due(self, ref: ObjectRef, objects: tuple[Json, ...], text: str) -> bool:
        """Whether they are to be applied now: what is new at once, what was tried already only after a while."""
        tried = self._tried.get(ref)
        if tried is None or tried.text != text:
            return True
        if time.monotonic() < tried.not_before:
            return False
        return self._applied.get(ref) != text or not all(self._there(_name(each)) for each in objects)

    async def _bring(self, ref: ObjectRef, objects: tuple[Json, ...], text: str) -> None:
        """Apply what one Gateway is to have. Errors: those of the API server that concern more than this one."""
        self._tried[ref] = _Tried(text, time.monotonic() + _AGAIN_S)  # by then we have heard of them
        try:
            await asyncio.to_thread(self._apply, objects)
        except (ApiException, _OfSomebodyElseError) as error:
            if isinstance(error, ApiException) and is_of_server(error):
                raise
            why = reason(error) if isinstance(error, ApiException) else str(error)
            self._tried[ref] = _Tried(text, time.monotonic() + _LATER_S)
            if self.failures.get(ref) != why:
                log.warning(Event.GATEWAY_NOT_DEPLOYED, gateway=str(ref), reason=why)
            self.failures[ref] = why
            return
        self.failures.pop(ref, None)
        if self._applied.get(ref) != text:
            log.info(Event.GATEWAY_DEPLOYED, gateway=str(ref), objects=len(objects))
        self._applied[ref] = text

    def _apply(self, objects: tuple[Json, ...]) -> None:
        # All are looked at before the first is applied: what is applied is deleted with its Gateway.
        there = [self._found(each) for each in objects]
        pairs = list(zip(objects, there, strict=True))
        foreign = [str(_name(each)) for each, found in pairs if found is not None and not _is_for(each, found)]
        if foreign:
            message = f"{', '.join(foreign)} is there already and was not made for this Gateway; rename one of the two"
            raise _OfSomebodyElseError(message)
        for each, found in pairs:
            self._bring_one(each, found)

    def _found(self, wanted: Json) -> Json | None:
        try:
            return self._rest.get(_path(wanted))
        except ApiException as error:
            if error.status == ABSENT:
                return None
            raise

    def _bring_one(self, wanted: Json, found: Json | None) -> None:
        """Make the object, or change the one that was found: never one that somebody else has made since."""
        path = _path(wanted)
        if found is None:
            try:
                found = self._rest.create(path.rpartition("/")[0], wanted, PRODUCT)
            except ApiException as error:
                if error.status == CONFLICT:
                    raise _OfSomebodyElseError(f"{_name(wanted)} was made by somebody else just now") from None
                raise
        metadata = found.get("metadata", {})
        fields = metadata.get("managedFields") or []
        if any(_is_made(each) for each in fields):
            # What was set in making it would stand in the way of what is applied to it later.
            fields = [{**each, "operation": "Apply"} if _is_made(each) else each for each in fields]
            version = metadata.get("resourceVersion", "")
            self._rest.merge(path, {"metadata": {"managedFields": fields, "resourceVersion": version}})
        same = {"uid": metadata["uid"]} if metadata.get("uid") else {}
        self._rest.apply(path, {**wanted, "metadata": {**wanted["metadata"], **same}}, PRODUCT)


def _is_made(fields: Json) -> bool:
    return (fields.get("manager"), fields.get("operation")) == (PRODUCT, "Update") and not fields.get("subresource")


def _is_for(wanted: Json, found: Json) -> bool:
    """Whether what was found was made for the same Gateway."""
    metadata = found.get("metadata", {})
    labels = metadata.get("labels") or {}
    ours = {**OURS, GATEWAY_NAME: wanted["metadata"]["labels"][GATEWAY_NAME]}
    # A Gateway that came again has another identity than what was made for it before.
    return not set(_owners(metadata)).isdisjoint(_owners(wanted["metadata"])) or labels.items() >= ours.items()


def _owners(metadata: Json) -> Iterator[str]:
    for each in metadata.get("ownerReferences") or ():
        yield each.get("uid", "")


def _path(of: Json) -> str:
    name, version = _name(of), of["apiVersion"].rpartition("/")[2]
    return item(collection(name.group, version, _PLURALS[name.kind], name.namespace), name.name)


def _name(of: Json) -> ObjectRef:
    group = of["apiVersion"].rpartition("/")[0]
    return ObjectRef(group, of["kind"], of["metadata"]["namespace"], of["metadata"]["name"])
