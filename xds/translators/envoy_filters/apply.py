"""Patches on one message, in their order; one that cannot be applied changes nothing, and says why."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError, Message

from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.config.route.v3.route_components_pb2 import VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from xds.model.patch import ApplyTo, Patch
from xds.translators.envoy_filters.listeners import patch_listener
from xds.translators.envoy_filters.lists import Inapplicable, merged_over
from xds.translators.envoy_filters.merging import merge_over
from xds.translators.envoy_filters.routes import means, patch_table, patch_virtual_host
from xds.translators.envoy_filters.values import MESSAGES


class Outcome(NamedTuple):
    """What a patch came to on one resource: how many places it touched, or why it could not be applied."""

    patch: Patch
    touched: int
    problem: str = ""


def apply(message: Message, patches: tuple[Patch, ...], apart: frozenset[str]) -> tuple[Outcome, ...]:
    """Change ``message`` in place by each patch, in order; what each came to."""
    return tuple(_applied(message, patch, apart) for patch in patches)


def added(patch: Patch) -> Message:
    """The resource that an ADD of a cluster, a listener or an extension is; of an HTTP filter its configuration."""
    value = _value(patch)
    if isinstance(value, HttpFilter):
        return TypedExtensionConfig(name=value.name, typed_config=value.typed_config)
    return value


def _value(patch: Patch) -> Message:
    return MESSAGES[patch.to].FromString(patch.value)


def _applied(message: Message, patch: Patch, apart: frozenset[str]) -> Outcome:
    before = type(message)()
    before.CopyFrom(message)
    try:
        return Outcome(patch, _touch(message, patch, apart))
    except Inapplicable as error:
        message.CopyFrom(before)
        return Outcome(patch, 0, str(error))
    except (DecodeError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        message.CopyFrom(before)
        return Outcome(patch, 0, f"cannot be applied: {error}")


def _touch(message: Message, patch: Patch, apart: frozenset[str]) -> int:
    value = _value(patch)
    if isinstance(message, Listener):
        return patch_listener(patch, message, value, apart)
    if isinstance(message, RouteConfiguration):
        return patch_table(patch, message, value)
    if isinstance(message, VirtualHost):
        table = message.name.partition("/")[0]
        return patch_virtual_host(patch, message, value) if means(patch, message, table) else 0
    if isinstance(message, TypedExtensionConfig) and isinstance(value, Filter):
        merge_over(message, TypedExtensionConfig(name=message.name, typed_config=value.typed_config))
        return 1
    if patch.to is not ApplyTo.CLUSTER:
        return 0
    name = getattr(message, "name", "")
    merged_over(message, value, patch)
    message.name = name  # type: ignore[attr-defined]
    return 1
