"""What is told of a call's way, as values: its steps, where it leads, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from xds.explain.request import HttpRequest
from xds.model.endpoint import Endpoint
from xds.model.refs import FieldRef, ObjectRef


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the caller's proxy does or finds, in words, and the fields that say so."""

    what: str
    says: str
    by: tuple[FieldRef, ...] = ()


class End(Enum):
    """What becomes of a call at its caller's proxy."""

    FORWARDED = "forwarded"  # to endpoints of the mesh
    LEAVES = "leaves"  # to where the name or the address leads, unlooked at
    ANSWERED = "answered"  # by the proxy itself, as somebody wants it
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Leg:
    """One cluster that a call may go to, and its share in per cent.

    ``rule`` is the DestinationRule that holds for it, ``by_rule`` whether that one decides the TLS. ``endpoints`` are
    those that the control plane knows; ``resolved`` is whether Envoy finds hosts by a name instead. ``tls`` is what is
    spoken, in words, ``mutual`` whether the mesh's mutual TLS is: to all, or else to endpoints that take it; they must
    prove one of ``names`` where there are any. ``http`` is the request as it goes there. ``fault`` is why nothing gets
    there, ``guilty`` whose fault that is, and ``status`` what requests get then.
    """

    cluster: str
    share: float
    port: int = 0
    subset: str = ""
    service: ObjectRef | None = None
    rule: ObjectRef | None = None
    endpoints: tuple[Endpoint, ...] = ()
    resolved: bool = False
    tls: str = "plaintext"
    sni: str = ""
    mutual: bool = False
    to_all: bool = False
    by_rule: bool = False
    names: tuple[str, ...] = ()
    http: HttpRequest | None = None
    fault: str = ""
    guilty: tuple[FieldRef, ...] = ()
    status: int = 503

    @property
    def healthy(self) -> int:
        """How many endpoints may be sent requests."""
        return sum(each.health.value == "healthy" for each in self.endpoints)


@dataclass(frozen=True, slots=True)
class Way:
    """The way of a call through its caller's proxy. ``status`` is the HTTP status that ends it there, or 0.

    ``http`` is whether the proxy reads it as a request; ``guilty`` are the fields that decide how it ends there.
    """

    steps: tuple[Step, ...]
    end: End
    because: str
    legs: tuple[Leg, ...] = ()
    status: int = 0
    http: bool = True
    guilty: tuple[FieldRef, ...] = ()
