"""``plait proxy-config secret``: the certificates of a proxy and how long they hold. Private keys are never shown."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from xds.cli.proxy_config.dump import Entry, Json, ProxyConfig
from xds.cli.proxy_config.source import From, read
from xds.cli.proxy_config.view import Line, View, show

_COLUMNS: Final = {
    "RESOURCE NAME": "name",
    "TYPE": "type",
    "STATUS": "status",
    "VALID CERT": "valid",
    "SERIAL NUMBER": "serial",
    "NOT AFTER": "until",
    "NOT BEFORE": "since",
}
_HIDDEN: Final = "[redacted]"


@dataclass(frozen=True, slots=True)
class _Certificate:
    serial: str
    since: datetime
    until: datetime


def command(proxy: From) -> None:
    """The secrets of a proxy."""
    show(secrets(read(proxy), datetime.now(UTC)), proxy.output)


def secrets(config: ProxyConfig, now: datetime) -> View:
    """The table of secrets; of a chain or a bundle the first certificate."""
    return View(_COLUMNS, tuple(_line(entry, now) for entry in config.secrets))


def _line(entry: Entry, now: datetime) -> Line:
    secret = entry.resource
    if "validation_context" in secret:
        kind, source = "CA", secret["validation_context"].get("trusted_ca", {})
    else:
        kind, source = "Cert Chain", secret.get("tls_certificate", {}).get("certificate_chain", {})
    found = _certificate(source)
    cells = {"name": entry.name, "type": kind, "status": entry.state}
    if found is not None:
        cells |= {
            "valid": str(found.since <= now <= found.until).lower(),
            "serial": found.serial,
            "until": f"{found.until:%Y-%m-%dT%H:%M:%SZ}",
            "since": f"{found.since:%Y-%m-%dT%H:%M:%SZ}",
        }
    return Line(cells, _without_key(secret))


def _certificate(source: Json) -> _Certificate | None:
    """The first certificate in a DataSource; None when it is a file of the proxy's or no certificate."""
    from cryptography import x509

    try:
        pem = base64.b64decode(source["inline_bytes"]) if "inline_bytes" in source else source["inline_string"].encode()
        certificate = x509.load_pem_x509_certificate(pem)
    except (KeyError, ValueError, binascii.Error):
        return None
    return _Certificate(
        f"{certificate.serial_number:x}", certificate.not_valid_before_utc, certificate.not_valid_after_utc
    )


def _without_key(secret: Json) -> Json:
    certificate: dict[str, Any] = dict(secret.get("tls_certificate", {}))
    if "private_key" not in certificate:
        return secret
    return {**secret, "tls_certificate": {**certificate, "private_key": {"inline_string": _HIDDEN}}}
