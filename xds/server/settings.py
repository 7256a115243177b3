"""The server's limits and delays: each with its unit, its default, and why it is that."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What bounds the server. There is no limit on how many streams may start in a second: a restart must be quick."""

    max_streams: int = 20_000
    """Streams open at once, of all services. A stream costs about 50 KB; beyond: RESOURCE_EXHAUSTED."""

    max_streams_of_one: int = 256
    """The same of one caller, where it is known who that is: else it could have all of them. A proxy has one by ADS."""

    max_request_bytes: int = 16 * 1024 * 1024
    """Bytes of one request. A reconnect lists every name and version held of a type: 100 bytes a resource, so 160,000
    of them. What nobody but an attacker sends, empty names, takes 0.1 seconds a megabyte."""

    max_names: int = 100_000
    """Names one stream may ask for, of one type. On-demand discovery lets clients' headers choose names."""

    max_types: int = 32
    """Resource types one stream may ask for. Envoy knows fewer than ten."""

    max_unanswered: int = 8
    """Responses of one type that may wait for their ACK on a delta stream. Beyond, the client gets the latest when it
    has caught up; 1 would make each change wait for the client's round trip."""

    hold_s: float = 3.0
    """Seconds that listeners and routes wait for new clusters' endpoints to be acknowledged. Clusters warm within
    milliseconds; one that cannot must not stop the others' routes for ever. 0: no waiting."""

    on_demand_wait_s: float = 0.0
    """Seconds that the answer to a virtual host asked for on demand (VHDS) may wait for a set that has it; then it is
    said not to exist. A client waits for ever without an answer. For so long nothing is removed from a client that has
    come anew, either: it may be about to ask for it. 0: what the set has not does not exist."""

    drain_s: float = 600.0
    """Seconds before a filter configuration (ECDS) that went is removed from a client that still subscribes to it:
    Envoy's default drain time, in which a listener on its way out still answers with it (else: 500)."""

    slice_streams: int = 16
    """Streams woken in one turn of the event loop: 16 take about 3 ms, so that nobody waits more than 20 ms."""

    write_budget_bytes: int = 32 * 1024 * 1024
    """Bytes handed to gRPC and not yet on their way. Bounds memory when all proxies connect at once."""

    write_patience_s: float = 5.0
    """Seconds after which a client that does not read stops counting against ``write_budget_bytes``."""

    max_rejections: int = 1_000
    """Rejected versions remembered of one group; the oldest are forgotten first."""

    keepalive_s: float = 30.0
    """Seconds of silence after which a connection is probed, so that a vanished proxy's stream ends."""
