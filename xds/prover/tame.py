"""Candidates without what would be more than configuration to the prover, which runs beside the keys of the mesh.

Who writes a candidate is not trusted with the machine of the control plane: none of a candidate's code is run here, no
file or socket of this machine is opened, changed or made for it, and nobody is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from xds.prover.candidate import Candidate
from xds.wire import codec

_VALUES: Final = "google.protobuf."
_LUA: Final = frozenset(f"envoy.extensions.filters.http.lua.v3.{name}" for name in ("Lua", "LuaPerRoute"))
_CORE: Final = "envoy.config.core.v3."
_BEYOND: Final = frozenset(
    {
        *(f"{_CORE}{name}" for name in ("ApiConfigSource", "PathConfigSource", "Pipe", "WatchedDirectory")),
        f"{_CORE}GrpcService.GoogleGrpc",
        "udpa.type.v1.TypedStruct",  # of a type that is not looked into
        "xds.type.v3.TypedStruct",
    }
)
# Parts of the names of extensions that run code, keep files, or call somebody as soon as they are configured.
_BEYOND_PARTS: Final = (
    *("aws", "dynamic_modules", "file_based", "file_system", "geoip", "golang", "lua", "tap", "wasm", "xray"),
    *("event_sinks", "clusters.redis", "reverse_connection", "reverse_tunnel", "common.key_value", "dns_resolver"),
)
_STREAMS: Final = ("/dev/stdout", "/dev/stderr", "/dev/null")


class _Beyond(Exception):
    """What is no prover's to look at."""


def tamed(candidate: Candidate) -> Candidate | None:
    """The candidate, its Lua read but not run; None where Envoy would do more with it than judge it."""
    try:
        message = codec.decode(candidate.type_url, candidate.body)
    except DecodeError:
        return candidate  # it is refused for that
    try:
        changed = _tame(message)
    except (_Beyond, DecodeError, KeyError, RecursionError):
        return None
    return replace(candidate, body=codec.encode(message)) if changed else candidate


def _tame(message: Message) -> bool:
    """Whether anything was changed. Errors: _Beyond; DecodeError, UnknownType for an Any that cannot be read."""
    kind = message.DESCRIPTOR.full_name
    if isinstance(message, AnyMessage):
        return _tame_any(message)
    if kind.startswith(_VALUES):
        return False
    if kind in _LUA:
        return _only_read(message)
    _check(kind, message)
    changed = False
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        if descriptor.message_type.GetOptions().map_entry:
            if descriptor.message_type.fields_by_name["value"].message_type is None:
                continue
            items: Any = [value[key] for key in value]
        else:
            items = value if descriptor.is_repeated else (value,)
        for item in items:
            changed = _tame(item) or changed
    return changed


def _tame_any(message: AnyMessage) -> bool:
    if not message.type_url:
        return False
    inner = codec.decode(message.type_url, message.value)
    changed = _tame(inner)
    if changed:
        message.value = codec.encode(inner)
    return changed


def _check(kind: str, message: Any) -> None:
    if kind in _BEYOND or any(part in kind for part in _BEYOND_PARTS):
        raise _Beyond(kind)
    looked_at = _FIELDS.get(kind)
    if looked_at is not None and looked_at(message):
        raise _Beyond(kind)


def _only_read(message: Any) -> bool:
    """Have the scripts compiled, so that mistakes in them are found, but nothing of them run."""
    sources = []
    for descriptor, value in message.ListFields():
        if descriptor.name == "inline_code":
            message.inline_code = _unrun(value.encode()).decode()
        elif descriptor.name == "source_codes":
            sources += [value[key] for key in value]
        elif descriptor.message_type is not None and descriptor.message_type.full_name == f"{_CORE}DataSource":
            sources.append(value)
    for source in sources:
        if source.HasField("inline_string"):
            source.inline_string = _unrun(source.inline_string.encode()).decode()
        elif source.HasField("inline_bytes"):
            source.inline_bytes = _unrun(source.inline_bytes)
        elif source.WhichOneof("specifier"):
            raise _Beyond(f"{_CORE}DataSource")
    return True


def _unrun(script: bytes) -> bytes:
    """A script that compiles another and does not run it. No byte code: that begins with an escape, this with a space.

    Source: LuaJIT 2.1, loadstring; its long strings end at as many = as they began with.
    """
    script = script.partition(b"\0")[0]
    level = b""
    while b"]" + level + b"]" in script:
        level += b"="
    return b"assert(loadstring([" + level + b"[ " + script + b"\n]" + level + b'], "=script"))'


_FIELDS: Final[dict[str, Callable[[Any], object]]] = {
    f"{_CORE}DataSource": lambda it: it.WhichOneof("specifier") in ("filename", "environment_variable"),
    f"{_CORE}ConfigSource": lambda it: it.path,
    f"{_CORE}HealthCheck": lambda it: it.event_log_path,
    "envoy.extensions.access_loggers.file.v3.FileAccessLog": lambda it: it.path not in _STREAMS,
    "envoy.extensions.transport_sockets.tls.v3.TlsKeyLog": lambda it: it.path,
    "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder": lambda it: it.proto_descriptor,
    "envoy.extensions.common.dynamic_forward_proxy.v3.DnsCacheConfig": lambda it: it.preresolve_hostnames,
}
"""What is beyond a prover where the field is set."""
