"""Refusals as values: who asked whom for what, what became of it, and what decided that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from xds.model.identity import SCHEME
from xds.model.refs import ObjectRef

_LONGEST: Final = 300


class Kind(StrEnum):
    """What became of it."""

    REFUSED = "refused"
    WOULD_REFUSE = "would-refuse"  # it passed; a dry run would have refused it
    AUDITED = "audited"  # it passed; an AUDIT policy wanted it told
    HANDSHAKE = "handshake"  # there was no connection: TLS failed


class Stage(StrEnum):
    """What decided, in the order in which sidecars ask."""

    XDS = "xDS"  # the control plane itself: who asks for configuration is not who it says it is
    MTLS = "mTLS"
    CUSTOM = "CUSTOM"
    TOKEN = "RequestAuthentication"
    AUDIT = "AUDIT"
    DENY = "DENY"
    ALLOW = "ALLOW"


@dataclass(frozen=True, slots=True)
class PolicyId:
    """A policy as Envoy names it, and which of its rules."""

    namespace: str
    name: str
    rule: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one access-log entry says of one decision, in Envoy's words; nothing of it is looked up.

    ``peer`` is the SPIFFE id in the caller's certificate, which proves it only if ``proven``. ``path`` has no query.
    ``policy`` is None where no single one decided. ``status`` is HTTP's, 0 where a connection was closed.
    ``request_id`` is its ``x-request-id``, which a caller may choose.
    """

    when: datetime
    kind: Kind
    stage: Stage
    why: str
    policy: PolicyId | None = None
    peer: str = ""
    proven: bool = False
    address: str = ""
    port: int = 0
    protocol: str = "TCP"
    method: str = ""
    host: str = ""
    path: str = ""
    status: int = 0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """One end: the workload and its pod as far as they are known, the address, and the SPIFFE id.

    ``proven`` is whether TLS has proven the id; else it is what a certificate said that was not believed.
    """

    namespace: str = ""
    workload: str = ""
    pod: str = ""
    address: str = ""
    principal: str = ""
    proven: bool = False

    @property
    def label(self) -> str:
        """What people call it: ``shop/web``; its id or its address where it is no workload of the mesh."""
        if self.workload:
            return f"{self.namespace}/{self.workload}" if self.namespace else self.workload
        if self.principal and self.proven:
            return self.principal.removeprefix(SCHEME)
        return self.address or "unknown"

    def is_called(self, name: str) -> bool:
        """Whether that is a name of it: of its namespace, workload or pod (alone or ``shop/web``), address or id."""
        return name.removeprefix(SCHEME) in set(self._names())

    def _names(self) -> Iterator[str]:
        yield from (self.address, self.principal.removeprefix(SCHEME), self.namespace)
        for each in filter(None, (self.workload, self.pod)):
            yield from (each, f"{self.namespace}/{each}", f"{each}.{self.namespace}")


@dataclass(frozen=True, slots=True)
class Blame:
    """A policy object with the place it was read at; ``rule`` is None where none of its rules decided by itself."""

    object: ObjectRef
    rule: int | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One decision that is worth telling. ``policies`` are those that decided together; none where none did."""

    when: datetime
    kind: Kind
    stage: Stage
    why: str
    source: Party
    destination: Party
    policies: tuple[Blame, ...] = ()
    port: int = 0
    protocol: str = "TCP"
    method: str = ""
    host: str = ""
    path: str = ""
    status: int = 0
    request_id: str = ""

    @property
    def request(self) -> str:
        """What was asked for: ``GET web.shop/cart``, ``TCP :9000``, ``xDS``."""
        if not self.method:
            return f"{self.protocol} :{self.port}" if self.port else self.protocol
        return f"{self.method} {self.host}{self.path}"

    @property
    def answer(self) -> str:
        """What the caller got."""
        if self.kind is Kind.HANDSHAKE:
            return "no TLS"
        if self.kind is Kind.REFUSED:
            return str(self.status) if self.status else "closed"
        return f"{self.status or 'passed'} ({self.kind})"


def clean(text: str, longest: int = _LONGEST) -> str:
    """``text`` as it may stand on a terminal and in a log: no control characters, and not longer than that."""
    cut = text[:longest]
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "?" for each in cut)
