"""Who may be served what: the hook that decides, and what it is told of the connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from xds.server.node import Node, Peer


@dataclass(frozen=True, slots=True)
class Admission:
    """The group whose set a node is served; the stream ends after ``valid_s`` seconds, when its credentials do.

    A token is presented once a stream; Envoy comes back with a new one, and is sent nothing that it has (envoy-facts
    5). ``caller`` is whose streams are counted together; nobody counts those of ``""``.
    """

    group: str
    valid_s: float | None = None
    caller: str = ""


Admit = Callable[[Node, Peer], Awaitable["Admission | str"]]
"""Called at a stream's first request: the group to serve, or ``Denied`` is raised. What the group needs may be made
here: the first answer waits for it."""

Released = Callable[[Node, Peer, Admission], None]
"""Called once for each admitted stream when it has ended, with what it was admitted to."""


def peer(context: Any, *, delta: bool, type_url: str, anew: bool = False) -> Peer:
    """What gRPC knows of the connection of a call."""
    proven: Mapping[str, list[bytes]] = context.auth_context()
    names = proven.get("x509_subject_alternative_name", [])
    metadata = {str(key): _text(value) for key, value in context.invocation_metadata() or ()}
    return Peer(
        address=context.peer(),
        secure=_first(proven, "transport_security_type") in ("ssl", "tls"),
        identities=tuple(dict.fromkeys(name.decode(errors="replace") for name in names)),
        metadata=metadata,
        delta=delta,
        type_url=type_url,
        anew=anew,
        certificate=_first(proven, "x509_pem_cert"),
    )


def _first(proven: Mapping[str, list[bytes]], key: str) -> str:
    values = proven.get(key, [])
    return values[0].decode(errors="replace") if values else ""


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
