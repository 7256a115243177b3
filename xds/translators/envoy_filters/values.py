"""The values of patches: from plain JSON to a message of Envoy's API, extensions included, with every fault named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter, FilterChain, ListenerFilter
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.config.route.v3.route_components_pb2 import Route, VirtualHost
from xds.api.envoy.config.route.v3.route_pb2 import RouteConfiguration
from xds.api.envoy.extensions.filters.http.router.v3.router_pb2 import Router
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from xds.model.patch import ApplyTo
from xds.wire import codec

MESSAGES: Final[Mapping[ApplyTo, type[Message]]] = {
    ApplyTo.LISTENER: Listener,
    ApplyTo.FILTER_CHAIN: FilterChain,
    ApplyTo.NETWORK_FILTER: Filter,
    ApplyTo.HTTP_FILTER: HttpFilter,
    ApplyTo.LISTENER_FILTER: ListenerFilter,
    ApplyTo.ROUTE_CONFIGURATION: RouteConfiguration,
    ApplyTo.VIRTUAL_HOST: VirtualHost,
    ApplyTo.HTTP_ROUTE: Route,
    ApplyTo.CLUSTER: Cluster,
    ApplyTo.EXTENSION_CONFIG: TypedExtensionConfig,
}
"""The message that each patch's value is."""

_TYPED_STRUCTS: Final = frozenset({"udpa.type.v1.TypedStruct", "xds.type.v3.TypedStruct"})
_PLACE: Final = re.compile(r' at "?(\w+(?:[.\[][^"\s]*)?)"?\.?\s*$')
_STEP: Final = re.compile(r"[^.\[\]]+")


class Unreadable(Exception):
    """A value that is no message of its type. ``path`` is where in the value, as far as it is known."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


class Value(NamedTuple):
    """A patch's value: what it is called, its bytes, and of an HTTP filter the type of its configuration.

    That is empty where the configuration may not come apart from the listener.
    """

    name: str
    config: str
    body: bytes


def spelled(to: ApplyTo, plain: Mapping[str, Any]) -> Value:
    """The value that ``plain`` spells. Errors: Unreadable."""
    message = read(to, plain)
    return Value(str(getattr(message, "name", "")), _config(message), codec.encode(message))


def _config(message: Message) -> str:
    if not isinstance(message, HttpFilter) or message.is_optional or message.disabled:
        return ""
    url = message.typed_config.type_url
    return "" if url == codec.type_url(Router) else url


def read(to: ApplyTo, plain: Mapping[str, Any]) -> Message:
    """The message that ``plain`` spells, every Any in it of a known type, and encoded alike on every run.

    A TypedStruct of a known type is that type. Errors: Unreadable.
    """
    message = MESSAGES[to]()
    try:
        codec.from_plain(plain, message)
        _settle(message)
    except json_format.ParseError as error:
        raise _unreadable(str(error)) from None
    except (DecodeError, KeyError, RecursionError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable((), f"must be a {message.DESCRIPTOR.full_name}: {error}") from None
    return message


def _settle(message: Message) -> None:
    if isinstance(message, AnyMessage):
        if message.type_url:
            inner = _resolved(codec.decode(message.type_url, message.value))
            _settle(inner)
            message.CopyFrom(codec.pack(inner))
        return
    for descriptor, value in message.ListFields():
        for inner in _messages(descriptor, value):
            _settle(inner)


def _messages(descriptor: Any, value: Any) -> Iterable[Message]:
    """The messages in the value of a field: of a map, of a list, or the one that it is."""
    kind = descriptor.message_type
    if kind is None:
        return ()
    if kind.GetOptions().map_entry:
        return value.values() if kind.fields_by_name["value"].message_type is not None else ()
    return value if descriptor.is_repeated else (value,)


def _resolved(message: Message) -> Message:
    if message.DESCRIPTOR.full_name not in _TYPED_STRUCTS:
        return message
    kind = codec.message_class(message.type_url)()  # type: ignore[attr-defined]
    plain = json_format.MessageToDict(message.value)  # type: ignore[attr-defined]
    return codec.from_plain(plain, kind)


def _unreadable(text: str) -> Unreadable:
    first = text.split("\n", 1)[0]
    place = _PLACE.search(first)
    path: tuple[str | int, ...] = ()
    if place is not None:
        steps = _STEP.findall(place.group(1))[1:]
        path = tuple(int(step) if step.isdigit() else step for step in steps)
        first = first[: place.start()]
    if "Can not find message descriptor by type_url" in first:
        kind = first.rpartition(" ")[2]
        return Unreadable(path, f"must be of a type that stock Envoy has, is {kind.rpartition('/')[2] or kind}")
    # What json_format says around it ("Failed to parse x field:") is the path, once more.
    what = first.split(" field: ")[-1].strip().rstrip(".")
    return Unreadable(path, f"must be as Envoy's API has it: {what}")
