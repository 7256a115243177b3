"""Access-log entries as a real Envoy 1.40 has sent them, and some changed by a field."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict

from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry, TCPAccessLogEntry
from xds.server import Entry


@cache
def _all() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parent / "entries.json").read_text())
    return found


def entry(name: str) -> Entry:
    """The entry of that name in ``entries.json``."""
    [(kind, message)] = _all()[name].items()
    return ParseDict(message, HTTPAccessLogEntry() if kind == "http" else TCPAccessLogEntry())


def request(name: str = "deny") -> HTTPAccessLogEntry:
    """One of a request."""
    found = entry(name)
    assert isinstance(found, HTTPAccessLogEntry)
    return found
