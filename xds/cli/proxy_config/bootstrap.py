"""``plait proxy-config bootstrap``: what a proxy was started with. Nothing that is secret is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from xds.cli.failure import Failure
from xds.cli.output import print_document
from xds.cli.proxy_config.source import From, asked, envoy

_DUMP: Final = "/config_dump"
_TYPE: Final = "BootstrapConfigDump"
_HIDDEN: Final = "[redacted]"
# Fields whose content proves who somebody is, wherever they stand.
_SECRET: Final = frozenset({"private_key", "private_key_provider", "password", "session_ticket_keys", "token"})
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "x-api-key"})


def command(proxy: From) -> None:
    """The bootstrap of a proxy, as JSON unless YAML is asked for."""
    print_document(bootstrap(asked(envoy(proxy), _DUMP)), proxy.output)


def bootstrap(config_dump: Mapping[str, Any]) -> Any:
    """The bootstrap in an answer of ``/config_dump``, without what is secret. Errors: Failure."""
    parts = config_dump.get("configs", ())
    found = next((each for each in parts if str(each.get("@type", "")).endswith(_TYPE)), None)
    if found is None:
        raise Failure("the proxy does not tell its bootstrap")
    return redacted(found.get("bootstrap", {}))


def redacted(found: Any) -> Any:
    """The document with what is secret hidden: keys, passwords, tokens, and headers that carry them."""
    if isinstance(found, Mapping):
        if str(found.get("key", found.get("header", ""))).lower() in _SECRET_HEADERS and "value" in found:
            return {**found, "value": _HIDDEN}
        return {name: _HIDDEN if _is_secret(name, value) else redacted(value) for name, value in found.items()}
    return [redacted(each) for each in found] if isinstance(found, list) else found


def _is_secret(name: str, value: Any) -> bool:
    if name not in _SECRET:
        return False
    # Where a key stands is none.
    return not (
        isinstance(value, Mapping) and value.keys() <= {"filename", "environment_variable", "watched_directory"}
    )
