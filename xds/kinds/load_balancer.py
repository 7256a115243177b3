"""LoadBalancerSettings of a DestinationRule: how one of the endpoints is picked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import field

from xds.kinds.authored import Lenient, Strict
from xds.kinds.quantities import (
    Duration,
    NaturalInt64,
    NonEmpty,
    PercentNumber,
    PositiveDuration,
    UInt32,
    about,
)


class HTTPCookieAttribute(Strict, frozen=True, kw_only=True):
    """An attribute of the cookie that is made."""

    name: Annotated[NonEmpty, about("Name of the attribute.")]
    value: Annotated[str, about("Its value, if it has one.")] = ""


class HTTPCookie(Strict, frozen=True, kw_only=True):
    """A cookie whose value decides the endpoint; made when the request has none and `ttl` is set."""

    name: Annotated[NonEmpty, about("Name of the cookie.")]
    path: Annotated[str, about("Path of the cookie.")] = ""
    ttl: Annotated[Duration | None, about("Its life; 0s is as long as the browser runs.")] = None
    attributes: Annotated[tuple[HTTPCookieAttribute, ...], about("More attributes.")] = ()


class RingHash(Strict, frozen=True, kw_only=True):
    """Ring hash."""

    minimum_ring_size: Annotated[NaturalInt64, about("Entries of the ring at least; 1024 when absent.")] = 0


class MagLev(Strict, frozen=True, kw_only=True):
    """Maglev."""

    table_size: Annotated[NaturalInt64, about("Size of the table, a prime; 65537 when absent.")] = 0


class ConsistentHashLB(Strict, frozen=True, kw_only=True):
    """The same caller goes to the same endpoint, as long as it is there."""

    http_header_name: Annotated[str | None, about("Callers are told apart by this header.")] = None
    http_cookie: Annotated[HTTPCookie | None, about("By this cookie.")] = None
    use_source_ip: Annotated[bool | None, about("By their address.")] = None
    http_query_parameter_name: Annotated[str | None, about("By this query parameter.")] = None
    ring_hash: Annotated[RingHash | None, about("With a ring, the default; not with `maglev`.")] = None
    maglev: Annotated[MagLev | None, about("With a Maglev table; not with `ringHash`.")] = None
    minimum_ring_size: Annotated[NaturalInt64, about("Deprecated: use `ringHash.minimumRingSize`.")] = 0


class Distribute(Strict, frozen=True, kw_only=True):
    """Where the traffic of one locality goes."""

    from_: Annotated[
        str,
        about("Locality of the callers: region/zone/subzone, `*` at the end is any."),
    ] = ""
    to: Annotated[dict[str, UInt32], about("Shares by locality; together 100.")] = field(default_factory=dict)


class Failover(Strict, frozen=True, kw_only=True):
    """Where the traffic of one region goes when its endpoints fail."""

    from_: Annotated[str, about("Region of the callers.")] = ""
    to: Annotated[str, about("Region that takes over.")] = ""


class LocalityLoadBalancerSetting(Strict, frozen=True, kw_only=True):
    """Preference for near endpoints; one of `distribute`, `failover`, `failoverPriority`."""

    distribute: Annotated[tuple[Distribute, ...], about("Fixed shares by locality.")] = ()
    failover: Annotated[tuple[Failover, ...], about("Regions that take over.")] = ()
    failover_priority: Annotated[
        tuple[str, ...],
        about("Labels by which endpoints are near, the strongest first."),
    ] = ()
    enabled: Annotated[bool | None, about("Whether locality counts; the mesh's when absent.")] = None


class ZoneAwareSetting(Lenient, frozen=True, kw_only=True):
    """Callers stay in their zone, as far as its endpoints are not fewer than its callers need."""

    enabled: Annotated[bool | None, about("Whether it is on; yes when absent.")] = None
    failover: Annotated[tuple[Failover, ...], about("Regions that take over.")] = ()
    failover_priority: Annotated[tuple[str, ...], about("Labels by which endpoints are near.")] = ()
    min_cluster_size: Annotated[NaturalInt64 | None, about("Endpoints below which zones do not count; 6.")] = None


class WarmupConfiguration(Strict, frozen=True, kw_only=True):
    """New endpoints get their full share only after a while."""

    duration: Annotated[PositiveDuration, about("How long the warm-up lasts.")]
    minimum_percent: Annotated[PercentNumber | None, about("Share at the start; 10 when absent.")] = None
    aggression: Annotated[float | None, about("How steep the growth is, at least 1; 1 is linear.")] = None


class LoadBalancerSettings(Strict, frozen=True, kw_only=True):
    """How one of the endpoints is picked."""

    simple: Annotated[
        Literal[
            "UNSPECIFIED",
            "LEAST_CONN",
            "RANDOM",
            "PASSTHROUGH",
            "ROUND_ROBIN",
            "LEAST_REQUEST",
        ]
        | None,
        about("A method without memory; LEAST_REQUEST when absent. Not with `consistentHash`."),
    ] = None
    consistent_hash: Annotated[ConsistentHashLB | None, about("The same caller to the same endpoint.")] = None
    locality_lb_setting: Annotated[LocalityLoadBalancerSetting | None, about("Preference for near endpoints.")] = None
    zone_aware_lb_setting: Annotated[ZoneAwareSetting | None, about("Zone-aware routing.")] = None
    warmup_duration_secs: Annotated[PositiveDuration | None, about("Deprecated: use `warmup.duration`.")] = None
    warmup: Annotated[WarmupConfiguration | None, about("Slow start of new endpoints.")] = None
    backend_utilization: Annotated[Any, about("Refused: Istio does nothing for it either.")] = None
