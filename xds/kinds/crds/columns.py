"""The columns of ``kubectl get``, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, what stands below it, and where in the object that is."""

    name: str
    description: str
    json_path: str
    type: str = "string"

    @property
    def plain(self) -> dict[str, str]:
        """As ``additionalPrinterColumns`` has it."""
        return {"name": self.name, "type": self.type, "jsonPath": self.json_path, "description": self.description}


_AGE: Final = Column("Age", "How long ago the object was made.", ".metadata.creationTimestamp", "date")
_HELD: Final = (
    Column(
        "Accepted",
        "Whether the control plane carries it out.",
        '.status.conditions[?(@.type=="Accepted")].status',
    ),
    Column(
        "Live",
        "How many of the proxies that it concerns run with it.",
        '.status.conditions[?(@.type=="Live")].message',
    ),
)
_OWN: Final[Mapping[str, tuple[Column, ...]]] = MappingProxyType(
    {
        "VirtualService": (
            Column("Gateways", "Gateways it applies to; none is the mesh.", ".spec.gateways"),
            Column("Hosts", "Hosts that clients address.", ".spec.hosts"),
        ),
        "DestinationRule": (Column("Host", "The service whose traffic it is about.", ".spec.host"),),
        "ServiceEntry": (
            Column("Hosts", "Names of the service.", ".spec.hosts"),
            Column("Location", "Outside of the mesh, or a part of it.", ".spec.location"),
            Column("Resolution", "How its endpoints are found.", ".spec.resolution"),
        ),
        "WorkloadEntry": (Column("Address", "Where the workload is.", ".spec.address"),),
        "PeerAuthentication": (Column("Mode", "Which connections are taken.", ".spec.mtls.mode"),),
        "AuthorizationPolicy": (Column("Action", "What becomes of requests that match.", ".spec.action"),),
    }
)


def columns(kind: str, *, read: bool = True) -> list[dict[str, str]]:
    """The columns of a kind: its own, what the control plane says of it when it reads it at all, and the age."""
    held = _HELD if read else ()
    return [each.plain for each in (*_OWN.get(kind, ()), *held, _AGE)]
