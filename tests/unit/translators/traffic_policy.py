"""TrafficPolicies as users write them, read by one feature's decode function."""

from __future__ import annotations

from typing import Any

import msgspec

from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.quantities import decode_hook
from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef
from xds.translators.feature import Decode, Reading

AT = FieldRef(ObjectRef("networking.istio.io", "DestinationRule", "shop", "b"), ("spec", "trafficPolicy"))
Plain = dict[str, Any]


def traffic_policy(plain: Plain) -> TrafficPolicy:
    return msgspec.convert(plain, TrafficPolicy, dec_hook=decode_hook)


def port_policy(plain: Plain) -> PortTrafficPolicy:
    return msgspec.convert(plain, PortTrafficPolicy, dec_hook=decode_hook)


def mesh_config(plain: Plain) -> MeshConfigSpec:
    return msgspec.convert(plain, MeshConfigSpec, dec_hook=decode_hook)


def read(decode: Decode[Any], struct: object) -> tuple[Any, list[str]]:
    """The policy, and the findings: the field below the traffic policy, and the code."""
    found = Problems()
    policy = decode(struct, AT, Reading("shop", "cluster.local", found))
    below = f"{AT.dotted}."
    return policy, [f"{each.at.dotted.removeprefix(below)} {each.code}" for each in found]
