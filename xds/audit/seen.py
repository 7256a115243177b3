"""Who calls whom, as sidecars have counted it in their own statistics, and the workloads that these are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from xds.audit.refusal import clean
from xds.model.seen import SEEN_PLAINTEXT, SEEN_PROVEN

COUNTERS: Final = f"^({SEEN_PLAINTEXT}|{SEEN_PROVEN})\\."
"""The regular expression of their names in Envoy's ``/stats``."""

_LINE: Final = re.compile(rf"envoy_({SEEN_PLAINTEXT}|{SEEN_PROVEN})_(all_)?([a-z]+)\{{(.*)\}} (\d+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class KnownWorkload(msgspec.Struct, frozen=True, kw_only=True):
    """A workload as the control plane tells of it (``/debug/workloads``): one pod."""

    namespace: str
    pod: str
    workload: str
    service_account: str = "default"
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    sidecar: bool = False
    mode: str = "PERMISSIVE"
    port_modes: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def label(self) -> str:
        """``shop/web``."""
        return f"{self.namespace}/{self.workload}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One caller at one port of one pod: a SPIFFE id if ``proven``, else an address; ``method`` is HTTP's.

    ``what`` is ``requests``, ``connections``, or ``open``: once a minute for a connection that is not over yet.
    """

    proven: bool
    what: str
    caller: str
    port: int
    method: str
    times: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one sidecar, which has counted for ``running``.

    ``more`` is how much of a kind came from callers that were too many to be told apart: (proven, what) -> times.
    """

    namespace: str
    pod: str
    running: timedelta
    seen: tuple[Seen, ...]
    more: Mapping[tuple[bool, str], int]

    @property
    def plaintext(self) -> Iterator[Seen]:
        """What came in plaintext."""
        return (each for each in self.seen if not each.proven)

    @property
    def proven(self) -> Iterator[Seen]:
        """What came from callers that have proven who they are."""
        return (each for each in self.seen if each.proven and each.caller)

    @property
    def more_plaintext(self) -> int:
        """How much came in plaintext from callers that are not told apart."""
        return sum(times for (proven, _), times in self.more.items() if not proven)


def reading(namespace: str, pod: str, statistics: str, running: timedelta) -> Reading:
    """The counters in Envoy's answer to ``/stats?format=prometheus``."""
    seen: list[Seen] = []
    more: dict[tuple[bool, str], int] = defaultdict(int)
    for scope, total, what, labels, number in _LINE.findall(statistics):
        proven, times = scope == SEEN_PROVEN, int(number)
        more[proven, what] += times if total else -times
        if not total:
            named = {name: _plain(value) for name, value in _LABEL.findall(labels)}
            caller = named.get("peer" if proven else "source", "")
            seen.append(Seen(proven, what, caller, int(named.get("port") or 0), named.get("method", ""), times))
    left = {key: times for key, times in more.items() if times > 0}
    return Reading(namespace, pod, running, tuple(seen), left)


def _plain(text: str) -> str:
    return clean(text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\"))


class Workloads:
    """The workloads of the mesh, by pod and by address."""

    def __init__(self, known: Iterable[KnownWorkload]) -> None:
        self.all = tuple(known)
        self._pods = {(each.namespace, each.pod): each for each in self.all}
        self._addresses = {address: each for each in self.all for address in each.addresses}

    def pod(self, namespace: str, name: str) -> KnownWorkload | None:
        """The workload that is that pod."""
        return self._pods.get((namespace, name))

    def at(self, address: str) -> KnownWorkload | None:
        """The workload that has the address now."""
        return self._addresses.get(address)

    def caller(self, address: str) -> str:
        """What people call who has that address: ``plain/outsider``, or ``10.0.0.7, no workload of the mesh``."""
        found = self.at(address)
        if found is None:
            return f"{address} (no workload of the mesh)"
        return found.label if found.sidecar else f"{found.label} (no sidecar)"

    def grouped(self, namespace: str = "") -> dict[tuple[str, str], list[KnownWorkload]]:
        """The pods of each workload, of one namespace or of all: by (namespace, workload), sorted."""
        found: dict[tuple[str, str], list[KnownWorkload]] = defaultdict(list)
        for each in self.all:
            if namespace in {"", each.namespace}:
                found[each.namespace, each.workload].append(each)
        return dict(sorted(found.items()))
