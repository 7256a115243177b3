"""Connections that reach their target through an HTTP proxy, which is the service that the rule is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel to ``host``:``port``, asked for with CONNECT, or with POST."""

    host: str
    port: int
    post: bool = False

    def at_caller(self) -> Tunnel:
        """All of it: the listener that passes connections on opens the tunnel."""
        return self

    def of_all_ports(self) -> Tunnel:
        """All of it: settings of a port have no such field."""
        return self

    def merge(self, parent: Tunnel) -> Tunnel:
        """This policy: it leaves nothing open."""
        del parent
        return self
