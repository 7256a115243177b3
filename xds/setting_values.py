"""The values of settings: how each is read from the environment, and what it must be."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from xds.failure import Failure

_PREFIX = "PLAIT_"
_LAST_PORT = 65535
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off", ""})


class SettingError(ValueError):
    """A setting that cannot be read; the text names it and says what it must be."""


def variable_of(name: str, hint: object) -> str:
    """The environment variable of a field: ``debounce``, a timedelta, is ``PLAIT_DEBOUNCE_S``."""
    return f"{_PREFIX}{name.upper()}{'_S' if hint is timedelta else ''}"


def read(variable: str, text: str, hint: object) -> object:
    """``text`` as a value of that type. Errors: SettingError."""
    try:
        if hint is bool:
            return _boolean(text)
        if hint is int:
            return int(text)
        if hint is timedelta:
            return timedelta(seconds=float(text))
    except ValueError:
        wanted = "true or false" if hint is bool else "a whole number" if hint is int else "a number of seconds"
        raise SettingError(f"{variable} must be {wanted}, is {text!r}") from None
    if hint == Path | None:
        return Path(text) if text else None
    if hint == tuple[str, ...]:
        return tuple(part for part in text.split(":") if part)
    if hint == tuple[Path, ...]:
        return tuple(Path(part) for part in text.split(":") if part)
    return text


def _boolean(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ValueError(text)


def check_address(name: str, address: str) -> None:
    """Errors: SettingError where ``address`` is neither empty nor one that can be listened on."""
    host, colon, port = address.rpartition(":")
    if not address or address.startswith("unix:/"):
        return
    if not (host and colon and port.isdecimal() and int(port) <= _LAST_PORT):
        raise SettingError(f"{name} must be host:port or unix:/path, is {address!r}")


def check_otlp(endpoint: str) -> None:
    """Errors: SettingError where ``endpoint`` is neither empty nor the URL of who takes OTLP over gRPC.

    A user and a password in it would be said in the log; what proves who sends is a header.
    """
    if not endpoint:
        return
    try:
        url = urlsplit(endpoint)
        good = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0 and not url.username
    except ValueError:
        good = False
    if not good:
        raise SettingError("otlp must be http://host:port, or https:// for TLS, as http://collector:4317")


def check_remotes(stated: tuple[str, ...]) -> None:
    """Errors: SettingError where one is not ``CLUSTER=FILE``."""
    for each in stated:
        cluster, equals, file = each.partition("=")
        if not (cluster and equals and file):
            raise SettingError(f"remote_kubeconfigs must be CLUSTER=FILE, has {each!r}")


def check_prometheus(url: str) -> None:
    """Errors: SettingError where ``url`` is neither empty nor one of a Prometheus; it may hold a password."""
    if not url:
        return
    from xds.prometheus.client import Prometheus

    try:
        Prometheus(url)
    except Failure as failure:
        raise SettingError(f"prometheus: {failure}") from None


def check_networks(name: str, text: str) -> None:
    """Errors: SettingError where a word of ``text`` is no network."""
    for each in text.split():
        try:
            ip_network(each)
        except ValueError:
            raise SettingError(f"{name} must be networks like 169.254.0.0/16, has {each!r}") from None
