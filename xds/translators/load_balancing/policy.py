"""How one of a service's endpoints is picked, and by what callers are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class Method(Enum):
    """The rule that picks an endpoint."""

    LEAST_REQUEST = "least-request"
    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    PASSTHROUGH = "passthrough"  # the address that the caller asked for
    RING_HASH = "ring-hash"
    MAGLEV = "maglev"


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie that tells callers apart; made when the request has none and ``ttl`` is set (0: a session's)."""

    name: str
    path: str = ""
    ttl: timedelta | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HashKey:
    """What of a request is hashed: exactly one of the four."""

    header: str = ""
    cookie: Cookie | None = None
    query: str = ""
    source_ip: bool = False

    hashes = True

    def merge(self, parent: HashKey) -> HashKey:
        """This key: it leaves nothing open."""
        del parent
        return self


@dataclass(frozen=True, slots=True)
class Warmup:
    """How the share of a new endpoint grows: over ``duration``, from ``minimum_percent``, linearly at aggression 1."""

    duration: timedelta
    minimum_percent: float = 10.0
    aggression: float = 1.0


@dataclass(frozen=True, slots=True)
class LoadBalancing:
    """How an endpoint is picked. ``size`` is the ring's least or the Maglev table's; 0 is Envoy's own."""

    method: Method = Method.LEAST_REQUEST
    key: HashKey | None = None
    size: int = 0
    warmup: Warmup | None = None

    @property
    def passthrough(self) -> bool:
        """Whether the caller has picked the address itself."""
        return self.method is Method.PASSTHROUGH

    def at_caller(self) -> HashKey | None:
        """What routes to the service must hash."""
        return self.key

    def merge(self, parent: LoadBalancing) -> LoadBalancing:
        """This policy: a narrower loadBalancer block replaces the wider one whole, as in Istio."""
        del parent
        return self
