"""What each control plane writes for the one that leads, and how that one reads it: each sees its own proxies only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from kubernetes.client.exceptions import ApiException

from xds.controllers.live_count import NOWHERE, LiveCount
from xds.controllers.replica import Replica, owners
from xds.controllers.report import Report, Unreadable, decode, encode, summed
from xds.controllers.rest import ABSENT, Json, Rest
from xds.controllers.rounds import Rounds
from xds.events import Event
from xds.model.api_path import collection, item
from xds.model.refs import ObjectRef
from xds.model.revision import DEFAULT_REVISION
from xds.model.well_known import OURS, PART_OF, PRODUCT

log = structlog.get_logger()

_LABEL: Final = "plait/report"
_RENEWED: Final = "plait/renewed"
_KEY: Final = "report.json"
_EVERY: Final = timedelta(seconds=2)
_HEARTBEAT_S: Final = 8.0
_DEAD_S: Final = 30.0
# What changes all the time is written the more rarely, the longer it is: etcd keeps every version for a while.
_BYTES_A_SECOND: Final = 100_000


class ReportWriter:
    """Writes ConfigMap ``plait-report-<pod>``: what has changed, at most every two seconds, and a sign of life.

    ``generations`` answers, of each object that conditions are written for, the generation that proxies are served;
    ``live`` the counts; ``ca`` what others must know of this one's CA, as plain JSON.
    """

    def __init__(
        self,
        api_client: Any,
        replica: Replica,
        generations: Callable[[], Awaitable[Mapping[ObjectRef, int]]],
        live: Callable[[], Awaitable[Mapping[ObjectRef, LiveCount]]],
        ca: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._rest = Rest(api_client)
        self._replica = replica
        self._generations = generations
        self._live = live
        self._ca = ca
        self._rounds = Rounds(self._look, _EVERY, Event.REPORT_NOT_WRITTEN)
        self._text = ""
        self._written = 0.0
        self._shortened = False

    async def run(self) -> None:
        """Write, for ever."""
        await self._rounds.run()

    async def _look(self) -> None:
        generations = await self._generations()
        live = await self._live()
        counts = {ref: replace(live.get(ref, NOWHERE), generation=known) for ref, known in generations.items()}
        text, shortened = await asyncio.to_thread(encode, Report(counts, self._ca()))
        now = time.monotonic()
        too_soon = now - self._written < len(self._text) / _BYTES_A_SECOND
        if now - self._written < _HEARTBEAT_S and (text == self._text or too_soon):
            return
        await asyncio.to_thread(self._put, text)
        self._text, self._written = text, now
        if shortened and not self._shortened:
            log.warning(Event.REPORT_SHORTENED, objects=len(counts), size_bytes=len(text))
        self._shortened = shortened

    def _put(self, text: str) -> None:
        place = self._replica
        every = collection("", "v1", "configmaps", place.namespace)
        renewed = {_RENEWED: datetime.now(UTC).isoformat()}
        path = item(every, f"plait-report-{place.pod}")
        if self._text and self._renew(path, renewed, text):
            return
        labels = {**OURS, _LABEL: place.revision}
        metadata: Json = {"name": f"plait-report-{place.pod}", "labels": labels, "annotations": renewed}
        metadata["ownerReferences"] = owners(self._rest, place)
        body = {"metadata": metadata, "data": {_KEY: text}}
        try:  # what an earlier process in this pod has left
            self._rest.merge(path, body)
        except ApiException as error:
            if error.status != ABSENT:
                raise
            self._rest.create(every, body)

    def _renew(self, path: str, renewed: Json, text: str) -> bool:
        """Write what is new; False where somebody has deleted it."""
        body: Json = {"metadata": {"annotations": renewed}}
        if text != self._text:
            body["data"] = {_KEY: text}
        try:
            self._rest.merge(path, body)
        except ApiException as error:
            if error.status != ABSENT:
                raise
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """One report, when it was seen to change last (time.monotonic), and whether it was so before we came."""

    version: str
    revision: str
    report: Report | None
    at: float
    renewed: datetime | None
    first: bool


class ReportReader:
    """Reads the reports of all control planes that are alive, every two seconds while it runs.

    Alive is whose report changes: by our clock, and by the time in it where it was there before us. Objects are counted
    for the proxies of ``revision`` alone; the CA is that of all revisions.
    """

    def __init__(self, api_client: Any, namespace: str, revision: str = DEFAULT_REVISION) -> None:
        self._rest = Rest(api_client)
        self._path = collection("", "v1", "configmaps", namespace)
        self._query = {"labelSelector": f"{PART_OF}={PRODUCT},{_LABEL}"}
        self._revision = revision
        self._seen: dict[str, _Seen] = {}
        self._counts: Mapping[ObjectRef, LiveCount] | None = None
        self._ca: Mapping[str, Mapping[str, Any]] = {}
        self.pods: frozenset[str] = frozenset()
        """The control planes of the revision that were alive in the last round, by their pods."""

    @property
    def counts(self) -> Mapping[ObjectRef, LiveCount] | None:
        """The counts of all proxies of the revision together; None before the first round."""
        return self._counts

    @property
    def ca(self) -> Mapping[str, Mapping[str, Any]]:
        """What each control plane that is alive, of whatever revision, says of its CA, by the name of its pod."""
        return self._ca

    async def run(self) -> None:
        """Read, for ever; begins anew each time."""
        self._seen, self._counts, self._ca = {}, None, {}
        await Rounds(self._look, _EVERY, Event.REPORTS_NOT_READ).run()

    async def _look(self) -> None:
        found = await asyncio.to_thread(self._rest.get, self._path, self._query)
        # Of thousands of objects reading takes a while, which other streams must not wait for.
        await asyncio.to_thread(self.take, found)

    def take(self, found: Json) -> None:
        """Go by these ConfigMaps, a list as the API has it, from now on."""
        now, first = time.monotonic(), self._counts is None
        seen = {}
        for each in found["items"]:
            pod = each["metadata"]["name"].removeprefix("plait-report-")
            known = self._seen.get(pod)
            if known is None or known.version != each["metadata"]["resourceVersion"]:
                known = _read(each, now, first=first)
            seen[pod] = known
        self._seen = seen
        alive = {pod: each for pod, each in sorted(seen.items()) if _alive(each, now)}
        reports = {pod: each.report for pod, each in alive.items() if each.report is not None}
        self._ca = {pod: report.ca for pod, report in reports.items()}
        self.pods = frozenset(pod for pod, each in alive.items() if each.revision == self._revision)
        self._counts = summed(report for pod, report in reports.items() if alive[pod].revision == self._revision)


def _read(config_map: Json, now: float, *, first: bool) -> _Seen:
    metadata = config_map["metadata"]
    try:
        report: Report | None = decode((config_map.get("data") or {}).get(_KEY, ""))
        renewed: datetime | None = datetime.fromisoformat(metadata["annotations"][_RENEWED]).astimezone(UTC)
    except (Unreadable, ValueError, KeyError, OverflowError):
        report = renewed = None
    revision = (metadata.get("labels") or {}).get(_LABEL, "")
    return _Seen(metadata["resourceVersion"], revision, report, now, renewed, first)


def _alive(seen: _Seen, now: float) -> bool:
    if now - seen.at > _DEAD_S:
        return False
    if not seen.first:
        return True
    return seen.renewed is not None and abs(datetime.now(UTC) - seen.renewed) < timedelta(seconds=_DEAD_S)
