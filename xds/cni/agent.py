"""The node agent: the pods of one node as the API server tells of them, and the rules that they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, NoReturn

import msgspec
import structlog

from xds.cni.rules import NotSet, set_rules
from xds.cni.sandbox import HostNetwork, Network, network_namespace, processes
from xds.cni.stated import NotUnderstood, stated
from xds.events import Event
from xds.kinds.pod import Pod
from xds.model.interception import ANNOTATION, Interception
from xds.sources.kube_client import Expired, KubeClient, NotServed, Parameters, Refused, Unreachable, WatchEvent
from xds.sources.kube_retries import backoff_s

log = structlog.get_logger()

_PODS: Final = "/api/v1/pods"
_WATCH_S: Final = 300
_SHORTEST_WATCH_S: Final = 1.0
_ALIVE: Final = frozenset({"", "Pending", "Running"})
# A pod that has just come gets its namespaces any moment; one that has none for long may never get any.
_SOON_S: Final = 0.05
_LATER_S: Final = 1.0
_YOUNG_S: Final = 15.0


class _Named(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""


class _Known(msgspec.Struct):
    metadata: _Named


@dataclass(slots=True)
class _Waiting:
    """A pod whose rules are to be set, or looked at again; ``told`` is what was last said of it."""

    name: str
    what: Interception
    since_s: float
    told: str = ""


class NodeAgent:
    """Sets the rules of the pods of one node that ask for them; those of pods that go, go with their namespaces.

    ``untouchable`` are the networks of the machine itself.
    """

    def __init__(self, client: KubeClient, node: str, untouchable: frozenset[Network]) -> None:
        self._client = client
        self._node = node
        self._untouchable = untouchable
        self._waiting: dict[str, _Waiting] = {}
        self._refused: dict[str, str] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Work for ever; ends only when cancelled."""
        log.info(Event.NODE_AGENT_STARTED, node=self._node)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._serve())

    async def _follow(self) -> NoReturn:
        """Hear of every pod of the node, as it is and whenever it changes."""
        failures = 0
        while True:
            try:
                await self._watch(await self._list())
                failures = 0
            except Expired:
                failures = 0
            except (Unreachable, Refused, NotServed) as error:
                failures += 1
                log.warning(Event.PODS_NOT_READ, node=self._node, error=str(error))
                await asyncio.sleep(backoff_s(failures))

    async def _list(self) -> str:
        version, alive = "", set[str]()
        async with aclosing(self._client.pages(_PODS, self._parameters)) as pages:
            async for page in pages:
                version = page.metadata.resource_version
                alive |= {self._seen(item) for item in page.items or ()}
        for known in (self._waiting, self._refused):
            for uid in known.keys() - alive:
                del known[uid]
        return version

    async def _watch(self, since: str) -> None:
        """Follow from a version on, watch after watch. Errors: those of the client; Expired when it must be listed."""
        while True:
            started = self._now()
            parameters: Parameters = {**self._parameters, "resourceVersion": since, "timeoutSeconds": _WATCH_S}
            watch = self._client.watch(_PODS, {**parameters, "allowWatchBookmarks": "true"})
            async with aclosing(watch) as batches:
                async for batch in batches:
                    since = self._take(batch) or since
            if self._now() - started < _SHORTEST_WATCH_S:
                await asyncio.sleep(_SHORTEST_WATCH_S)

    def _take(self, events: Iterable[WatchEvent]) -> str:
        """The version of the last of these events, all of which are taken over; empty when there are none."""
        version = ""
        for event in events:
            known = msgspec.json.decode(event.object, type=_Known).metadata
            version = known.resource_version
            if event.type == "DELETED":
                self._forget(known.uid)
            elif event.type != "BOOKMARK":
                self._seen(event.object)
        return version

    @property
    def _parameters(self) -> Mapping[str, str]:
        return {"fieldSelector": f"spec.nodeName={self._node}"}

    def _seen(self, item: msgspec.Raw) -> str:
        """The UID of a pod, which waits for its rules from now on if it asks for some."""
        try:
            pod = msgspec.json.decode(item, type=Pod)
        except msgspec.ValidationError:
            return msgspec.json.decode(item, type=_Known).metadata.uid
        meta = pod.metadata
        text = meta.annotations.get(ANNOTATION)
        asks = text is not None and not pod.spec.host_network and pod.spec.node_name == self._node
        if text is None or not asks or pod.status.phase not in _ALIVE:
            self._forget(meta.uid)
        elif self._refused.get(meta.uid) != text:
            self._wait(meta.uid, f"{meta.namespace}/{meta.name}", text)
        return meta.uid

    def _wait(self, uid: str, name: str, text: str) -> None:
        try:
            what = stated(text)
        except NotUnderstood as error:
            self._refused[uid] = text
            log.error(Event.INTERCEPTION_NOT_UNDERSTOOD, pod=name, annotation=ANNOTATION, error=str(error))
            return
        self._waiting[uid] = _Waiting(name, what, self._now())
        self._news.set()

    def _forget(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        self._refused.pop(uid, None)

    async def _serve(self) -> NoReturn:
        """Set the rules of those who wait, again and again until they have their namespaces."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._look()

    async def _look(self) -> None:
        """Set the rules of those whose namespaces are there, and wait a little where some are left."""
        for uid, pod in await asyncio.to_thread(_round, tuple(self._waiting.items()), self._untouchable):
            if self._waiting.get(uid) is pod:  # else it has changed meanwhile
                del self._waiting[uid]
        if self._waiting:
            await self._pause()

    async def _pause(self) -> None:
        young = any(self._now() - each.since_s < _YOUNG_S for each in self._waiting.values())
        try:
            async with asyncio.timeout(_SOON_S if young else _LATER_S):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _round(waiting: Iterable[tuple[str, _Waiting]], untouchable: frozenset[Network]) -> list[tuple[str, _Waiting]]:
    """Those of the pods that have their rules now."""
    known = dict(waiting)
    found = processes(known)
    served = (uid for uid, pids in found.items() if any(_served(uid, pid, known[uid], untouchable) for pid in pids))
    return [(uid, known[uid]) for uid in served]


def _served(uid: str, pid: int, pod: _Waiting, untouchable: frozenset[Network]) -> bool:
    """Whether the pod has its rules now, as the network namespace of one of its processes shows.

    Some runtimes have a process of theirs on the machine's network among the pod's; it is passed over.
    """
    try:
        with network_namespace(uid, pid, untouchable) as namespace:
            if set_rules(namespace, pod.what, untouchable):
                log.info(Event.INTERCEPTION_SET, pod=pod.name)
    except (ProcessLookupError, HostNetwork):
        return False  # it is being made, or is going
    except (NotSet, OSError) as error:
        if str(error) != pod.told:
            log.error(Event.INTERCEPTION_NOT_SET, pod=pod.name, error=str(error))
        pod.told = str(error)
        return False
    return True
