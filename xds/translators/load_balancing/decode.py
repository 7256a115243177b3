"""Reading ``loadBalancer`` of a DestinationRule."""

from __future__ import annotations

from typing import Final

from xds.kinds.load_balancer import ConsistentHashLB, HTTPCookie, LoadBalancerSettings
from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.load_balancing.policy import Cookie, HashKey, LoadBalancing, Method, Warmup

_SIMPLE: Final = {
    "UNSPECIFIED": Method.LEAST_REQUEST,
    "LEAST_CONN": Method.LEAST_REQUEST,
    "LEAST_REQUEST": Method.LEAST_REQUEST,
    "ROUND_ROBIN": Method.ROUND_ROBIN,
    "RANDOM": Method.RANDOM,
    "PASSTHROUGH": Method.PASSTHROUGH,
}
_LARGEST_RING: Final = 8_388_608  # Envoy's maximum_ring_size
_LARGEST_TABLE: Final = 5_000_011  # Envoy's bound of table_size
_KEYS: Final = ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")


def load_balancing(struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading) -> LoadBalancing | None:
    """The policy in ``trafficPolicy.loadBalancer``; None when the block is absent.

    Problems: load-balancer.backend-utilization, consistent-hash.no-key, ring-hash.size, ring-hash.no-effect,
    maglev.table-size, warmup.aggression, warmup.no-effect. That methods exclude each other is the struct's business.
    Source: istio networking/v1 LoadBalancerSettings.
    """
    spec = struct.load_balancer
    if spec is None:
        return None
    at = at / "loadBalancer"
    if spec.backend_utilization is not None:
        message = "must be left out: neither Istio nor this version carries it out"
        reading.error(at / "backendUtilization", "load-balancer.backend-utilization", message)
    if spec.consistent_hash is not None:
        return _hashing(spec.consistent_hash, at / "consistentHash", reading, _warmup(spec, at, reading))
    method = _SIMPLE[spec.simple or "UNSPECIFIED"]
    warmup = _warmup(spec, at, reading)
    if warmup is not None and method not in (Method.LEAST_REQUEST, Method.ROUND_ROBIN):
        _warmup_in_vain(spec.simple or "", at, reading)
        warmup = None
    return LoadBalancing(method, warmup=warmup)


def _hashing(spec: ConsistentHashLB, at: FieldRef, reading: Reading, warmup: Warmup | None) -> LoadBalancing:
    if warmup is not None:
        _warmup_in_vain("consistentHash", at, reading)
    key = _hash_key(spec, at, reading)
    if spec.maglev is None:
        ring = spec.ring_hash.minimum_ring_size if spec.ring_hash is not None else 0
        size = ring or spec.minimum_ring_size
        if size > _LARGEST_RING:
            reading.error(at, "ring-hash.size", f"minimumRingSize must be at most {_LARGEST_RING}, is {size}")
        return LoadBalancing(Method.RING_HASH, key, size)
    if spec.minimum_ring_size:
        reading.warning(at / "minimumRingSize", "ring-hash.no-effect", "has no effect beside maglev")
    size = spec.maglev.table_size
    if size and not (size <= _LARGEST_TABLE and _prime(size)):
        message = f"must be a prime number of at most {_LARGEST_TABLE}, is {size}"
        reading.error(at / "maglev.tableSize", "maglev.table-size", message)
    return LoadBalancing(Method.MAGLEV, key, size)


def _hash_key(spec: ConsistentHashLB, at: FieldRef, reading: Reading) -> HashKey | None:
    if not (spec.http_header_name or spec.http_cookie or spec.use_source_ip or spec.http_query_parameter_name):
        reading.error(at, "consistent-hash.no-key", f"must have one of {', '.join(_KEYS)}")
        return None
    return HashKey(
        header=spec.http_header_name or "",
        cookie=_cookie(spec.http_cookie) if spec.http_cookie is not None else None,
        query=spec.http_query_parameter_name or "",
        source_ip=bool(spec.use_source_ip),
    )


def _cookie(spec: HTTPCookie) -> Cookie:
    return Cookie(spec.name, spec.path, spec.ttl, tuple((each.name, each.value) for each in spec.attributes))


def _warmup(spec: LoadBalancerSettings, at: FieldRef, reading: Reading) -> Warmup | None:
    if spec.warmup is None:
        return Warmup(spec.warmup_duration_secs) if spec.warmup_duration_secs is not None else None
    aggression = 1.0 if spec.warmup.aggression is None else spec.warmup.aggression
    if not aggression >= 1:
        reading.error(at / "warmup.aggression", "warmup.aggression", f"must be at least 1, is {aggression:g}")
    minimum = 10.0 if spec.warmup.minimum_percent is None else spec.warmup.minimum_percent
    return Warmup(spec.warmup.duration, minimum, aggression)


def _warmup_in_vain(method: str, at: FieldRef, reading: Reading) -> None:
    message = f"warm-up works with LEAST_REQUEST and ROUND_ROBIN only, not with {method}"
    reading.warning(at, "warmup.no-effect", message)


def _prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
