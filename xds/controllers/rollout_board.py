"""The board of rollouts in ConfigMaps of the root namespace: one that is decided by, and one of each control plane."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from kubernetes.client.exceptions import ApiException

from xds.controllers.replica import Replica, owners
from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest
from xds.controllers.rounds import Failed, reason
from xds.model.api_path import collection, item
from xds.model.revision import of_revision
from xds.model.well_known import OURS, PART_OF, PRODUCT, ROLLOUTS
from xds.rollout.board import BoardAway, BoardRefused, Posted

T = TypeVar("T")

_REFUSED: Final = frozenset({401, 403})
_LABEL: Final = "plait/rollout"
_DECISION: Final = "decision.json"
_HELD: Final = "held.json.gz"
_SAID: Final = "said.json"
_TICK: Final = "plait/tick"
_CALL_S: Final = 5.0
_EVERY_S: Final = 2.0
_HEARTBEAT_S: Final = 8.0
_DEAD_S: Final = 30.0
_MOST_BYTES: Final = 950_000


class Leads(Protocol):
    """Who tells the leader from the others."""

    @property
    def leading(self) -> bool:
        """Whether this control plane leads now."""
        ...


@dataclass(frozen=True, slots=True)
class _Heard:
    version: str
    text: str
    at: float  # when it was seen to change, of time.monotonic
    first: bool  # it was so before anybody listened: it may be of one that is gone


class RolloutBoard:
    """ConfigMap ``plait-rollouts`` of a revision, written by its leader in the place of the version that it has read;
    and ``plait-rollout-<pod>`` of each control plane, at most every two seconds, and only while something is held back.

    ``replicas`` answers which control planes of the revision are alive, as far as is known.
    """

    def __init__(
        self, api_client: Any, replica: Replica, election: Leads, replicas: Callable[[], Collection[str]]
    ) -> None:
        self._rest = Rest(api_client, _CALL_S)
        self._replica = replica
        self._election = election
        self._replicas = replicas
        self._all = collection("", "v1", "configmaps", replica.namespace)
        self._name = of_revision(ROLLOUTS, replica.revision)
        self._path = item(self._all, self._name)
        self._own = item(self._all, f"plait-rollout-{replica.pod}")
        self._said = ""
        self._said_at = -_HEARTBEAT_S
        self._heard: dict[str, _Heard] = {}
        self._listened = -_DEAD_S

    @property
    def name(self) -> str:
        """This control plane's pod."""
        return self._replica.pod

    @property
    def leading(self) -> bool:
        """Whether it leads."""
        return self._election.leading

    def replicas(self) -> Collection[str]:
        """The pods of the revision's control planes that are alive."""
        return self._replicas()

    async def read(self) -> Posted | None:
        """What stands there."""
        return await self._called(self._read)

    async def post(self, posted: Posted) -> str | None:
        """Put that in the place of its version."""
        return await self._called(lambda: self._post(posted))

    async def say(self, text: str) -> None:
        """Have others hear that: soon, where something was said a moment ago."""
        now = time.monotonic()
        since = now - self._said_at
        if since < _EVERY_S or (text == self._said and since < _HEARTBEAT_S):
            return
        await self._called(lambda: self._say(text))
        self._said, self._said_at = text, now

    async def heard(self) -> Mapping[str, str]:
        """What each has said last, of those that still speak."""
        return await self._called(self._listen)

    def _read(self) -> Posted | None:
        try:
            found = self._rest.get(self._path)
        except ApiException as error:
            if error.status != ABSENT:
                raise
            return None
        try:
            held = base64.b64decode((found.get("binaryData") or {}).get(_HELD, ""))
        except binascii.Error:
            held = b""
        return Posted(found["metadata"]["resourceVersion"], (found.get("data") or {}).get(_DECISION, ""), held)

    def _post(self, posted: Posted) -> str | None:
        held = base64.b64encode(posted.held).decode()
        if len(held) + len(posted.decision) > _MOST_BYTES:
            raise ValueError("is too large")
        metadata: Json = {"name": self._name, "labels": dict(OURS)}
        body: Json = {"metadata": metadata, "data": {_DECISION: posted.decision}, "binaryData": {_HELD: held}}
        try:
            if not posted.version:
                return str(self._rest.create(self._all, body)["metadata"]["resourceVersion"])
            metadata["resourceVersion"] = posted.version
            return str(self._rest.merge(self._path, body)["metadata"]["resourceVersion"])
        except ApiException as error:
            if error.status != CONFLICT and not (posted.version and error.status == ABSENT):
                raise
            return None

    def _say(self, text: str) -> None:
        """Write it; the annotation is a sign of life."""
        tick = {_TICK: str(time.time_ns())}
        body: Json = {"metadata": {"annotations": tick}, "data": {_SAID: text}}
        try:
            self._rest.merge(self._own, body)
        except ApiException as error:
            if error.status != ABSENT:
                raise
            labels = {**OURS, _LABEL: self._replica.revision}
            name = f"plait-rollout-{self._replica.pod}"
            body["metadata"] |= {"name": name, "labels": labels, "ownerReferences": owners(self._rest, self._replica)}
            self._rest.create(self._all, body)

    def _listen(self) -> Mapping[str, str]:
        query = {"labelSelector": f"{PART_OF}={PRODUCT},{_LABEL}={self._replica.revision}"}
        found, now = self._rest.get(self._all, query), time.monotonic()
        # Who has not listened for long cannot tell who still speaks from who spoke then.
        first, self._listened = now - self._listened > _DEAD_S, now
        heard = {}
        for each in found["items"]:
            pod, version = each["metadata"]["name"].removeprefix("plait-rollout-"), each["metadata"]["resourceVersion"]
            known = self._heard.get(pod)
            if known is None or known.version != version:
                known = _Heard(version, (each.get("data") or {}).get(_SAID, ""), now, first)
            elif first:
                known = _Heard(version, known.text, now, True)
            heard[pod] = known
        self._heard = heard
        alive = {pod: each for pod, each in heard.items() if not each.first and now - each.at <= _DEAD_S}
        return {pod: each.text for pod, each in sorted(alive.items()) if pod != self._replica.pod}

    async def _called(self, call: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(call)
        except Failed as error:
            refused = isinstance(error, ApiException) and error.status in _REFUSED
            raise (BoardRefused if refused else BoardAway)(reason(error)) from None
        except (ValueError, KeyError, TypeError) as error:
            raise BoardAway(f"{type(error).__name__}: {error}") from None
