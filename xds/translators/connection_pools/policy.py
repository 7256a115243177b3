"""How many connections, requests and retries a service is sent at one time, and how long connections live."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from typing import Final

from xds.model.quantity import Percent
from xds.model.service import Protocol

TWENTY: Final = Percent.of(20)


@dataclass(frozen=True, slots=True)
class Keepalive:
    """TCP probes that find dead connections; 0 and None are the operating system's."""

    probes: int = 0
    time: timedelta | None = None
    interval: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Pings:
    """HTTP/2 pings that find dead connections."""

    interval: timedelta | None
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Retries under way, as a share of the requests under way (or of ``interval``); some are always allowed."""

    percent: Percent = TWENTY
    interval: timedelta | None = None
    min_concurrency: int = 3


class Upgrade(Enum):
    """Whether HTTP/1.1 is sent on as HTTP/2."""

    DEFAULT = "default"  # as the mesh says
    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Limits:
    """One connectionPool block. A maximum of 0 is none."""

    max_connections: int = 0
    max_pending_requests: int = 0
    max_requests: int = 0
    max_retries: int = 0
    max_requests_per_connection: int = 0
    max_concurrent_streams: int = 0
    connect_timeout: timedelta | None = None
    max_connection_duration: timedelta | None = None
    idle_timeout: timedelta | None = None
    http_idle_timeout: timedelta | None = None
    keepalive: Keepalive | None = None
    pings: Pings | None = None
    upgrade: Upgrade = Upgrade.DEFAULT
    client_protocol: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionLifetime:
    """How long a TCP connection that is passed on may be idle, and may live; None is Envoy's default."""

    idle_timeout: timedelta | None = None
    max_duration: timedelta | None = None

    def merge(self, parent: ConnectionLifetime) -> ConnectionLifetime:
        """This lifetime: the pools that it comes from are merged already."""
        del parent
        return self


@dataclass(frozen=True, slots=True)
class ConnectionPools:
    """The limits of a service, the budget of its retries, and the mesh's words on what the limits leave open."""

    limits: Limits | None = None
    retry_budget: RetryBudget | None = None
    mesh_keepalive: Keepalive | None = None
    mesh_upgrade: bool = False

    def merge(self, parent: ConnectionPools) -> ConnectionPools:
        """A narrower connectionPool block replaces the wider one whole, as in Istio; a retryBudget likewise."""
        return replace(
            self,
            limits=parent.limits if self.limits is None else self.limits,
            retry_budget=parent.retry_budget if self.retry_budget is None else self.retry_budget,
            mesh_keepalive=parent.mesh_keepalive if self.mesh_keepalive is None else self.mesh_keepalive,
            mesh_upgrade=self.mesh_upgrade or parent.mesh_upgrade,
        )

    def at_caller(self) -> ConnectionLifetime | None:
        """The part that belongs to the listener which passes connections on."""
        limits = self.limits
        if limits is None or (limits.idle_timeout is None and limits.max_connection_duration is None):
            return None
        return ConnectionLifetime(limits.idle_timeout, limits.max_connection_duration)

    def of_all_ports(self) -> ConnectionPools | None:
        """The retry budget: settings of a port have no such field."""
        return ConnectionPools(retry_budget=self.retry_budget) if self.retry_budget is not None else None

    def at_server(self) -> ConnectionPools | None:
        """The limits, between a server's proxy and its application; what is spoken there is what the caller spoke."""
        if self.limits is None:
            return None
        return ConnectionPools(replace(self.limits, upgrade=Upgrade.DEFAULT, client_protocol=False))

    def spoken(self, declared: Protocol) -> Protocol:
        """What is spoken to a port declared as ``declared``.

        The mesh's upgrade holds for HTTP ports only; a rule's own for any, and its client protocol before both.
        """
        limits = self.limits or Limits()
        if limits.client_protocol:
            return Protocol.AUTO
        if limits.upgrade is Upgrade.ALWAYS:
            return Protocol.HTTP2
        if limits.upgrade is Upgrade.DEFAULT and self.mesh_upgrade and declared.is_http:
            return Protocol.HTTP2
        return declared


DEFAULT = ConnectionPools()
"""What holds where nobody said anything: no limits, and Envoy's own retry budget for the retries."""
