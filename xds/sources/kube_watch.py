"""One kind of a cluster, listed and watched for ever; what the API server does not say is not taken for gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Collection, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

import msgspec
import structlog

from xds.decoders.shape.api_objects import ApiDecoder, Read
from xds.events import Event
from xds.model.api_path import root
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.slices import Slices, in_slices
from xds.sources.kube_client import Expired, KubeClient, NotServed, Refused, Unreachable, WatchEvent
from xds.sources.kube_gathered import Gathered
from xds.sources.kube_health import KindHealth
from xds.sources.kube_held import CONFIRM_NOT_SERVED_S, CONFIRM_S, Held
from xds.sources.kube_kinds import WatchedKind
from xds.sources.kube_retries import Reach, backoff_s

log = structlog.get_logger()

_WATCH_S: Final = 300.0
_SPREAD: Final = 0.2
_OVERTIME_S: Final = 2.0
_LOOK_FOR_KIND_S: Final = (4.0, 8.0)
_SHORTEST_WATCH_S: Final = 1.0


class _Version(msgspec.Struct):
    version: str = ""


class _ApiGroup(msgspec.Struct):
    versions: tuple[_Version, ...] = ()


class _ApiResource(msgspec.Struct):
    name: str = ""


class _ApiResources(msgspec.Struct):
    resources: tuple[_ApiResource, ...] = ()


@dataclass(slots=True)
class _Listing:
    """A list while its pages arrive: names of all objects, and what is new of them."""

    version: str = ""
    listed: set[ObjectRef] = field(default_factory=set)
    read: list[Read] = field(default_factory=list)


class KindWatch:
    """Follows the objects of one kind and tells ``gathered`` of every change."""

    def __init__(self, watched: WatchedKind, client: KubeClient, gathered: Gathered, reach: Reach, source: str) -> None:
        self.name = str(watched.kind)
        self.synced = False
        self._watched = watched
        self._client = client
        self._gathered = gathered
        self._reach = reach
        self._source = source
        self._decoder = ApiDecoder(watched.kind, source, watched.cluster)
        self._held = Held()
        self._served = ""
        self._since = ""
        self._contact_s: float | None = None
        self._problem = ""

    def health(self) -> KindHealth:
        """How well it is being read, now."""
        age = None if self._contact_s is None else self._now() - self._contact_s
        held = self._held
        return KindHealth(self._served, self.synced, len(held.versions), held.doubted, age, self._problem)

    async def run(self) -> None:
        """Follow the kind for ever; ends only when cancelled."""
        failures = 0
        while True:
            started = self._now()
            failed, pause_s = await self._attempt()
            hasty = self._now() - started < _SHORTEST_WATCH_S
            if not hasty and self._contact_s is not None and self._contact_s >= started:
                failures = 0
            failures = failures + 1 if failed or (hasty and not pause_s) else 0
            if failed or failures > 1:
                pause_s = max(backoff_s(failures), pause_s)
            if pause_s:
                await self._reach.pause(pause_s)

    async def _attempt(self) -> tuple[bool, float]:
        """Follow the kind until something ends that; whether that was a failure, and for how long to wait at least."""
        try:
            await self._round()
        except Expired as expired:
            log.info(Event.WATCH_EXPIRED, source=self._source, kind=self.name, error=str(expired))
            self._since = ""
        except NotServed:
            self._not_served()
            return False, random.uniform(*_LOOK_FOR_KIND_S)
        except Refused as refused:
            self._refused(str(refused))
            return True, 0.0
        except Unreachable as error:
            self._reach.lost(self.name, str(error))
            self._problem = str(error)
            return True, error.after_s
        except Exception as error:  # a bug of ours costs time, not the watch
            log.exception(Event.WATCH_FAILED, source=self._source, kind=self.name)
            self._problem, self._since = f"a bug in Plait, please report it: {error!r}", ""
            return True, 0.0
        return False, 0.0

    async def _round(self) -> None:
        """List, where that is needed, and watch until the watch ends."""
        if not self._served:
            self._served = await self._version()
            if self.synced:
                log.info(Event.KIND_SERVED, source=self._source, kind=self.name, version=self._served)
        if not self._since:
            await self._list()
        await self._watch()
        if self._held.doubted:
            self._since = ""

    async def _version(self) -> str:
        """The newest version of the kind that the API serves and we read. Errors: NotServed and the client's."""
        kind = self._watched.kind
        if not kind.group:
            return kind.versions[0]
        try:
            group = await self._client.get(f"/apis/{kind.group}", _ApiGroup)
            offered = {each.version for each in group.versions}
            for version in filter(offered.__contains__, kind.versions):
                found = await self._client.get(root(kind.group, version), _ApiResources)
                if any(each.name == kind.plural for each in found.resources):
                    return version
        except Refused:  # who may not ask what there is may still be let read it
            return kind.versions[0]
        raise NotServed(self.name)

    async def _list(self) -> None:
        listing = _Listing()
        async with aclosing(self._client.pages(self._watched.path(self._served), self._watched.parameters)) as pages:
            async for page in pages:
                listing.version = page.metadata.resource_version
                await in_slices(self._take(page.items or (), listing))
        self._answered()
        await in_slices(self._hand_over(listing.read))
        self._settle(listing.listed, CONFIRM_S)
        self._since = listing.version
        self._sync()

    def _take(self, items: Iterable[msgspec.Raw], listing: _Listing) -> Slices[None]:
        """Read those objects of a page that are not held in that very version."""
        for item in items:
            named = self._decoder.named(item)
            if self._held.versions.get(named.ref) == named.resource_version:
                listing.listed.add(named.ref)
            else:
                read = self._decoder.read(item, self._served)
                if read.found is not None or read.unreadable:
                    listing.listed.add(named.ref)
                    listing.read.append(read)
            yield

    def _hand_over(self, found: Iterable[Read]) -> Slices[None]:
        for read in found:
            self._held.put(read.named.ref, read.named.resource_version)
            self._gathered.read(read)
            yield

    def _settle(self, listed: Collection[ObjectRef], confirm_s: float) -> None:
        """Take away what is gone, now that a list has been had, and say what is doubted."""
        before = self._held.doubted
        for ref in self._held.settle(listed, self._now(), confirm_s):
            self._gathered.gone(ref)
        doubted = self._held.doubted
        if doubted and not before:
            log.warning(Event.REMOVALS_DOUBTED, source=self._source, kind=self.name, objects=doubted)
        if doubted:
            message = f"{doubted} of {len(self._held.versions)} are missing from the API server's list; they stay until"
            self._note("kubernetes.doubted", f"{message} another list, some seconds later, lacks them too")
        else:
            self._note()

    async def _watch(self) -> None:
        seconds = CONFIRM_S if self._held.doubted else _WATCH_S * random.uniform(1 - _SPREAD, 1 + _SPREAD)
        parameters: dict[str, str | int] = {
            **self._watched.parameters,
            "resourceVersion": self._since,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": round(seconds),
        }
        with contextlib.suppress(TimeoutError):
            # Of events that are cut off here, the next watch tells again: it goes on where these were followed to.
            async with (
                asyncio.timeout(seconds + _OVERTIME_S),
                aclosing(self._client.watch(self._watched.path(self._served), parameters)) as batches,
            ):
                async for batch in batches:
                    self._answered()
                    await in_slices(self._follow(batch))

    def _follow(self, events: Iterable[WatchEvent]) -> Slices[None]:
        """Take over events, in their order. Errors: Expired when the API server's time went back."""
        for event in events:
            named = self._decoder.named(event.object)
            if _went_back(named.resource_version, self._since):
                raise Expired(f"resource version {named.resource_version} came after {self._since}")
            self._since = named.resource_version
            if event.type == "DELETED":
                self._drop(named.ref)
            elif event.type in ("ADDED", "MODIFIED"):
                self._put(self._decoder.read(event.object, self._served))
            yield

    def _put(self, read: Read) -> None:
        if read.found is None and not read.unreadable:
            self._drop(read.named.ref)
            return
        self._held.put(read.named.ref, read.named.resource_version)
        self._gathered.read(read)

    def _drop(self, ref: ObjectRef) -> None:
        if self._held.drop(ref):
            self._gathered.gone(ref)

    def _sync(self) -> None:
        if not self.synced:
            self.synced = True
            self._gathered.woken()

    def _answered(self) -> None:
        self._contact_s = self._now()
        if self._problem and not self._held.doubted:
            self._note()
        self._problem = ""
        self._reach.found(self.name)

    def _not_served(self) -> None:
        """The API has no such kind: there are no objects, unless some were held a moment ago."""
        self._answered()
        self._served = self._since = ""
        self._settle((), CONFIRM_NOT_SERVED_S)
        self._sync()

    def _refused(self, why: str) -> None:
        """What may not be read is never taken for empty: what is held stays, and at first nothing is served."""
        self._reach.found(self.name)
        if why != self._problem:
            log.error(Event.LIST_REFUSED, source=self._source, kind=self.name, needed=self._watched.rule, error=why)
        self._problem = why
        self._note("kubernetes.forbidden", f"cannot be read: {self._watched.rule}; what was read before stays")

    def _note(self, code: str = "", message: str = "") -> None:
        """Say what is wrong with the kind as a whole; nothing, when nothing is."""
        watched = self._watched
        every = ObjectRef(watched.kind.group, watched.kind.name, watched.namespace, "*", watched.cluster)
        found = (Problem(FieldRef(every), code, message, Severity.WARNING),) if code else ()
        self._gathered.note(f"{self._source} {self.name}", found)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _went_back(version: str, since: str) -> bool:
    """Whether a version is older than what was seen before: the API server's store was put back to an older one."""
    return version.isdecimal() and since.isdecimal() and int(version) < int(since)
