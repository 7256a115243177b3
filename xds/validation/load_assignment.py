"""What Envoy says of load assignments beyond the rules of single fields: nobody else looks before proxies do."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Final

from google.protobuf.message import Message

Faults = list[tuple[tuple[str | int, ...], str]]

_TYPE: Final = "envoy.config.endpoint.v3.ClusterLoadAssignment"
_MOST: Final = 2**32 - 1


def faults(message: Message) -> Faults:
    """What is wrong with ``message`` where it is a ClusterLoadAssignment: addresses that are none, weights that Envoy
    cannot add up (upstream/eds.cc, resolveProtoSocketAddress), with the way there.
    """
    if message.DESCRIPTOR.full_name != _TYPE:
        return []
    found: Faults = []
    weights: dict[int, int] = {}
    assignment: Any = message
    for index, locality in enumerate(assignment.endpoints):
        weights[locality.priority] = weights.get(locality.priority, 0) + locality.load_balancing_weight.value
        for number, each in enumerate(locality.lb_endpoints):
            address = each.endpoint.address
            if address.HasField("socket_address") and not (
                _resolved(address) or _is_ip(address.socket_address.address)
            ):
                way = ("endpoints", index, "lb_endpoints", number, "endpoint", "address", "socket_address", "address")
                found.append((way, "must be an IP address"))
    found += [(("endpoints",), f"weights of priority {p} must add up to at most {_MOST}") for p in sorted(weights)
              if weights[p] > _MOST]  # fmt: skip
    return found


def _resolved(address: Any) -> bool:
    return bool(address.socket_address.resolver_name)


@lru_cache(maxsize=65_536)
def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
