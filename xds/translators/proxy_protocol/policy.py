"""Whether a service is told the caller's address before the first byte."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Version(Enum):
    """Version of the PROXY protocol's header."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class ProxyProtocol:
    """A PROXY protocol header of that version on each connection."""

    version: Version

    def of_all_ports(self) -> ProxyProtocol:
        """All of it: settings of a port have no such field."""
        return self

    def merge(self, parent: ProxyProtocol) -> ProxyProtocol:
        """This policy: it leaves nothing open."""
        del parent
        return self
