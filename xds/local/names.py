"""Which addresses the cluster's DNS names have. Pure: a table made of services and hosts, asked by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Final, Protocol

from xds.local.services import HostAddresses, LocalService

DOMAIN: Final = "cluster.local"


class RecordType(Enum):
    """What is asked for; other types than these are known to have no records under our names."""

    A = "A"
    AAAA = "AAAA"
    SRV = "SRV"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Srv:
    """A named port of a service: where it is."""

    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a known name has of the type asked for; all empty means that the name exists and has nothing of it.

    ``alias`` is the name that must be asked instead (CNAME). Names are written without a dot at the end.
    """

    addresses: tuple[str, ...] = ()
    alias: str = ""
    srv: tuple[Srv, ...] = ()


class NameTable(Protocol):
    """What the resolver asks. An implementation answers at once and from memory."""

    def lookup(self, name: str, kind: RecordType) -> Answer | None:
        """The answer for ``name`` (lower case, no dot at the end); None when the name is not of this table."""

    def covers(self, name: str) -> bool:
        """Whether a name that is not in the table does not exist for certain, so that nobody else is asked."""


class ClusterNames:
    """The names of a cluster: services, pods of headless services, and hosts of ServiceEntries.

    A service is known as ``name.ns.svc.cluster.local`` and, for who asks without a search list, as ``name.ns.svc`` and
    ``name.ns``.
    """

    def __init__(self, services: Iterable[LocalService], hosts: Iterable[HostAddresses] = ()) -> None:
        self._addresses: dict[str, tuple[str, ...]] = {}
        self._aliases: dict[str, str] = {}
        self._srv: dict[str, tuple[Srv, ...]] = {}
        for host in hosts:
            self._addresses[host.host.lower()] = host.addresses
        for service in services:
            self._add(service)

    def _add(self, service: LocalService) -> None:
        stems = [f"{service.name}.{service.namespace}{end}" for end in (f".svc.{DOMAIN}", ".svc", "")]
        full = stems[0]
        if service.external_name:
            for stem in stems:
                self._aliases[stem] = service.external_name.lower().rstrip(".")
            return
        by_host: dict[str, list[str]] = {}
        for endpoint in service.endpoints:
            if endpoint.hostname:
                by_host.setdefault(endpoint.hostname, []).append(endpoint.address)
        own = service.cluster_ips or tuple(sorted({endpoint.address for endpoint in service.endpoints}))
        for stem in stems:
            self._addresses[stem] = own
            for hostname, addresses in by_host.items():
                self._addresses[f"{hostname}.{stem}"] = tuple(sorted(addresses))
        targets = [full] if service.cluster_ips else [f"{hostname}.{full}" for hostname in sorted(by_host)]
        for port in service.ports:
            if port.name:
                self._srv[f"_{port.name}._{port.protocol.lower()}.{full}"] = tuple(Srv(port.port, t) for t in targets)

    def lookup(self, name: str, kind: RecordType) -> Answer | None:
        """The answer for ``name``; a wildcard host stands in for every name below it that is not there itself."""
        if name in self._aliases:
            return Answer(alias=self._aliases[name])
        if name in self._srv:
            return Answer(srv=self._srv[name] if kind is RecordType.SRV else ())
        known = self._addresses.get(name)
        if known is None:
            known = self._wildcard(name)
        if known is None:
            return None
        version = {RecordType.A: 4, RecordType.AAAA: 6}.get(kind)
        return Answer(addresses=tuple(a for a in known if ip_address(a).version == version))

    def _wildcard(self, name: str) -> tuple[str, ...] | None:
        _, dot, rest = name.partition(".")
        while dot:
            known = self._addresses.get(f"*.{rest}")
            if known is not None:
                return known
            _, dot, rest = rest.partition(".")
        return None

    def covers(self, name: str) -> bool:
        """Everything below ``cluster.local`` is ours: what is not in the table does not exist."""
        return name == DOMAIN or name.endswith(f".{DOMAIN}")
