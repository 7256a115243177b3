"""Machines that join the mesh by themselves: each proxy of a WorkloadGroup makes a WorkloadEntry while it is there.

Source: istio-semantics 1.6. The entries are a source's objects, kept in memory; in a cluster they are written to the
API server instead, so that all replicas see them, and a restart of this one loses none.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import structlog
from msgspec import structs

from xds.api.envoy.service.health.v3.hds_pb2 import HealthCheckSpecifier
from xds.callers.caller import Caller
from xds.events import Event
from xds.kinds.authored import ObjectMeta
from xds.kinds.workload_entry import WorkloadEntry, WorkloadEntrySpec
from xds.machines.health import question
from xds.model.endpoint import Locality
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import SIDECAR, Proxy
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.snapshot import Snapshot, Table
from xds.model.workload_entry import WELL
from xds.model.workload_group import WorkloadGroup, group_ref
from xds.server import Denied, Reason
from xds.sources.changes import Changed, Replaced, Transaction

log = structlog.get_logger()

NAME: Final = "machines"
GRACE_S: Final = 10.0
"""How long an entry stays when the last stream of its machine has ended, as in Istio: most come back."""

STEADY_S: Final = 1.0
"""How long what a machine has said of its health holds at least: proxies say it again each second."""

MOST_OF_GROUP: Final = 1_000
"""Entries of one group: each token of its account could make one of every address."""

TLS_MODE: Final = "security.istio.io/tlsMode"
_GROUP: Final = "istio.io/autoRegistrationGroup"
_CONNECTED: Final = "istio.io/connectedAt"
_LONGEST_NAME: Final = 253


class Machines:
    """Who may join, who has, and the source that says so. All in one event loop."""

    name = NAME

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._entries: dict[ObjectRef, Object[WorkloadEntry]] = {}
        self._of_group: Counter[tuple[str, str]] = Counter()
        self._streams: Counter[ObjectRef] = Counter()
        self._leaving: dict[ObjectRef, asyncio.TimerHandle] = {}
        self._unwell: set[ObjectRef] = set()
        self._steady_until: dict[ObjectRef, float] = {}
        self._changed: set[ObjectRef] = set()
        self._wake = asyncio.Event()
        self._keep: Callable[[], None] | None = None

    @property
    def entries(self) -> Mapping[ObjectRef, WorkloadEntry]:
        """The entries of the machines that are connected here, or were a moment ago."""
        return {ref: found.struct for ref, found in self._entries.items()}

    def kept_elsewhere(self, changed: Callable[[], None]) -> None:
        """From now on who is told by ``changed`` keeps ``entries``, and another source says what is there."""
        self._keep = changed
        for ref in self._entries:
            self._note(ref)

    def member(self, proxy: Proxy, caller: Caller | None) -> Proxy:
        """The proxy as its group makes it: labels, place and name are the group's matter, not its own.

        One that names no group is as it was. Errors: Denied, with what is missing.
        """
        if not proxy.group:
            return proxy
        group = self._joinable(proxy, caller)
        name = _entry_name(proxy, group)
        known = _ref(proxy.namespace, name) in self._entries
        if not known and self._of_group[proxy.namespace, proxy.group] >= MOST_OF_GROUP:
            raise _denied(proxy, f"has {MOST_OF_GROUP} machines already", Reason.UNAVAILABLE)
        return replace(
            proxy,
            name=name,
            labels=labels({**dict(group.labels), TLS_MODE: "istio"}),
            locality=proxy.locality if any(proxy.locality) else group.locality,
        )

    def came(self, proxy: Proxy) -> None:
        """A stream of a member, as ``member`` has just made it, has begun."""
        found = self._find(proxy) if proxy.group else None
        if found is None:
            return
        ref = _ref(proxy.namespace, proxy.name)
        if ref not in self._entries:
            self._of_group[proxy.namespace, proxy.group] += 1
            log.info(Event.MACHINE_JOINED, group=str(found.ref), entry=ref.name, address=proxy.addresses[0])
        if (timer := self._leaving.pop(ref, None)) is not None:
            timer.cancel()
            if self._keep is not None:  # another replica may have had it meanwhile
                self._keep()
        self._streams[ref] += 1
        self._enter(proxy, found)

    def _enter(self, proxy: Proxy, group: WorkloadGroup) -> None:
        ref = _ref(proxy.namespace, proxy.name)
        known = self._entries.get(ref)
        entry = _entry(proxy, group, known.struct if known is not None else None)
        if ref in self._unwell:
            annotations = {**entry.metadata.annotations, WELL: "false"}
            entry = structs.replace(entry, metadata=structs.replace(entry.metadata, annotations=annotations))
        if known is None or known.struct != entry:
            self._entries[ref] = Object(ref, entry, Origin(NAME))
            self._note(ref)

    def question(self, proxy: Proxy) -> HealthCheckSpecifier | None:
        """What the proxy of a machine is to check: its group's probe; None where there is none, or it is a command."""
        found = self._find(proxy) if proxy.group else None
        return question(found.probe) if found is not None and found.probe is not None else None

    def told(self, proxy: Proxy, well: bool) -> None:
        """The machine is well, or is not. Until that is known it counts as well."""
        ref = _ref(proxy.namespace, proxy.name)
        found = self._find(proxy)
        now = asyncio.get_running_loop().time()
        if ref not in self._entries or found is None or well is (ref not in self._unwell):
            return
        if now < self._steady_until.get(ref, now):
            return
        self._steady_until[ref] = now + STEADY_S
        log.info(Event.MACHINE_CHECKED, group=str(found.ref), entry=ref.name, well=well)
        (self._unwell.discard if well else self._unwell.add)(ref)
        self._enter(proxy, found)

    def left(self, proxy: Proxy) -> None:
        """A stream of a member has ended."""
        ref = _ref(proxy.namespace, proxy.name)
        if not proxy.group or not self._streams[ref]:
            return
        self._streams[ref] -= 1
        if not self._streams[ref]:
            del self._streams[ref]
            self._leaving[ref] = asyncio.get_running_loop().call_later(GRACE_S, self._forget, ref, proxy.group)

    def _forget(self, ref: ObjectRef, group: str) -> None:
        del self._leaving[ref], self._entries[ref]
        self._unwell.discard(ref)
        self._steady_until.pop(ref, None)
        self._of_group[ref.namespace, group] -= 1
        log.info(Event.MACHINE_LEFT, group=str(group_ref(ref.namespace, group)), entry=ref.name)
        self._note(ref)

    def _note(self, ref: ObjectRef) -> None:
        self._changed.add(ref)
        self._wake.set()
        if self._keep is not None:
            self._keep()

    def _find(self, proxy: Proxy) -> WorkloadGroup | None:
        rows = self._snapshot().rows(Table.WORKLOAD_GROUP, group_ref(proxy.namespace, proxy.group))
        return rows[0] if rows else None

    def _joinable(self, proxy: Proxy, caller: Caller | None) -> WorkloadGroup:
        if caller is None:
            raise _denied(proxy, "takes machines that prove who they are, and over plaintext nobody does")
        if proxy.kind != SIDECAR:
            raise _denied(proxy, f"takes sidecars, not a {proxy.kind}")
        group = self._find(proxy)
        if group is None:
            raise _denied(proxy, f"is not there: make it in namespace {proxy.namespace}")
        account = group.service_account or "default"
        if account != caller.service_account:
            raise _denied(
                proxy, f"is of service account {account!r} (template.serviceAccount), not {caller.service_account!r}"
            )
        return group

    async def changes(self) -> AsyncGenerator[Transaction, None]:
        """Nothing at first, then one Changed whenever machines came or went; ends only when it is closed."""
        yield Replaced(self.name, ())
        while True:
            await self._wake.wait()
            self._wake.clear()
            changed, self._changed = sorted(self._changed), set()
            told = self._entries if self._keep is None else {}
            upserts = tuple(told[ref] for ref in changed if ref in told)
            yield Changed(self.name, upserts, tuple(ref for ref in changed if ref not in told))

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """``origin``: nobody has written it."""
        return origin


def entry_name(group: str, address: str, network: str = "") -> str:
    """The name of a machine's WorkloadEntry: ``vms-10.0.0.5``, of characters that names may have.

    Errors: ValueError, saying what a machine's address must be.
    """
    spelled = _address(address).exploded.replace(":", "-")
    return "-".join(part for part in (group, spelled, network) if part)


def _entry_name(proxy: Proxy, group: WorkloadGroup) -> str:
    if not proxy.addresses:
        raise _denied(proxy, "needs a machine's address: the node says none (INSTANCE_IPS)")
    try:
        name = entry_name(group.ref.name, proxy.addresses[0], group.network)
    except ValueError as error:
        raise _denied(proxy, f"cannot have this machine: {error}") from None
    if len(name) > _LONGEST_NAME:
        raise _denied(proxy, f"has too long a name: {name!r} cannot be that of a WorkloadEntry")
    return name


def _address(text: str) -> IPv4Address | IPv6Address:
    """Errors: ValueError. What would have callers speak with themselves, or with their cloud, is none."""
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError(f"its address must be an IP address, is {text[:80]!r}") from None
    plain = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    scope = getattr(found, "scope_id", None)
    if plain or scope or found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local:
        raise ValueError(f"its address must be one that others reach it by, is {text!r}")
    return found


def _entry(proxy: Proxy, group: WorkloadGroup, known: WorkloadEntry | None) -> WorkloadEntry:
    """The entry of a member; it keeps when it came, so that one that comes back is no change."""
    connected = known.metadata.annotations[_CONNECTED] if known is not None else f"{datetime.now(UTC):%FT%TZ}"
    kind = WorkloadEntry.KIND
    return WorkloadEntry(
        api_version=kind.api_versions[0],
        kind=kind.name,
        metadata=ObjectMeta(
            name=proxy.name,
            namespace=proxy.namespace,
            labels=dict(sorted(proxy.labels)),
            annotations={**dict(group.annotations), _GROUP: group.ref.name, _CONNECTED: connected},
        ),
        spec=WorkloadEntrySpec(
            address=str(ip_address(proxy.addresses[0])),
            ports=dict(group.ports),
            labels=dict(sorted(proxy.labels)),
            network=group.network,
            locality=_locality(proxy.locality),
            weight=group.weight,
            service_account=proxy.service_account,
        ),
    )


def _locality(place: Locality) -> str:
    return f"{place.region}/{place.zone}/{place.subzone}".rstrip("/")


def _ref(namespace: str, name: str) -> ObjectRef:
    return ObjectRef(WorkloadEntry.KIND.group, WorkloadEntry.KIND.name, namespace, name)


def _denied(proxy: Proxy, text: str, reason: Reason = Reason.PERMISSION_DENIED) -> Denied:
    return Denied(f"WorkloadGroup {proxy.namespace}/{proxy.group[:80]} {text}", reason)
