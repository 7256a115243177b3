"""Filter configurations: what stands in the slots of inbound chains, sent apart from the listeners (ECDS)."""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.message import Message

from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac
from xds.api.envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac
from xds.model.filters import FilterSlot
from xds.translators.feature import Feature, SlotFilter
from xds.translators.registry import features
from xds.view.specs.resources import FilterSpec
from xds.wire.codec import pack


def filter_config(spec: FilterSpec) -> TypedExtensionConfig:
    """The configuration of the slot of ``spec``; without a policy, one that lets everything pass."""
    return TypedExtensionConfig(name=spec.slot.resource(tcp=spec.tcp), typed_config=pack(_content(spec)))


def _content(spec: FilterSpec) -> Message:
    for feature, filling in _fillings(spec.slot):
        policy = spec.policies.get(feature.policy)
        if policy is not None:
            return filling.config(policy, spec.tcp, spec.trust)
    return _nothing(spec)


def _nothing(spec: FilterSpec) -> Message:
    # An RBAC filter without rules enforces none (rbac.v3.RBAC.rules), and may stand in every slot.
    return network_rbac.RBAC(stat_prefix=f"{spec.slot.value}.") if spec.tcp else http_rbac.RBAC()


@cache
def _fillings(slot: FilterSlot) -> tuple[tuple[Feature[Any], SlotFilter[Any]], ...]:
    return tuple((feature, filling) for feature in features() for filling in feature.slots if filling.slot is slot)
