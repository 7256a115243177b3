"""What a message is, whoever made its class: xds.api (protobuf), or envoy-data-plane (betterproto2)."""

from __future__ import annotations

import importlib
from typing import Any, Protocol, runtime_checkable

from google.protobuf.message import Message as ProtobufMessage

from xds.wire import codec


@runtime_checkable
class PlainMessage(Protocol):
    """A message of betterproto2: its bytes are ``bytes(message)``."""

    def __bytes__(self) -> bytes: ...


def identify(message: ProtobufMessage | PlainMessage) -> tuple[str, bytes]:
    """The type URL and the bytes of ``message``.

    Errors: TypeError for what is no message.
    """
    if isinstance(message, ProtobufMessage):
        return codec.type_url(message), codec.encode(message)
    package = type(message).__module__.partition(".")[0]
    try:
        known: Any = importlib.import_module(f"{package}.message_pool").default_message_pool.type_to_url
        return known[type(message)], bytes(message)
    except (ImportError, AttributeError, KeyError) as error:
        raise TypeError(f"{type(message).__qualname__} is no message of xds.api or of envoy-data-plane") from error


def name_of(message: object) -> str:
    """The name that xDS knows a message by: its ``name``, of a load assignment its ``cluster_name``.

    Errors: TypeError when it has none.
    """
    name = getattr(message, "cluster_name", "") or getattr(message, "name", "")
    if not isinstance(name, str) or not name:
        raise TypeError(f"a {type(message).__qualname__} without a name")
    return name
