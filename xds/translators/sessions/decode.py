"""Reading what a Service says of sessions: labels, or annotations where a label may not hold the value."""

from __future__ import annotations

import re
from typing import Final

from xds.kinds.authored import ObjectMeta
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.sessions.policy import Session

COOKIE: Final = "istio.io/persistent-session"
HEADER: Final = "istio.io/persistent-session-header"
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110: a token


def session(metadata: ObjectMeta, at: FieldRef, reading: Reading) -> Session | None:
    """The session that a Service asks for: a cookie's name (``name`` or ``name:/path``), else a header's.

    Problems: session.name, session.path; such a session is none.
    """
    for key in (COOKIE, HEADER):
        stated, where = metadata.labels.get(key, ""), (at / "labels").key(key)
        if not stated:
            stated, where = metadata.annotations.get(key, ""), (at / "annotations").key(key)
        if not stated:
            continue
        name, _, path = stated.partition(":")
        if not _TOKEN.fullmatch(name):
            reading.warning(where, "session.name", f"must be the name of a cookie or header, is {name!r}: no sessions")
        elif key == HEADER:
            return Session(header=name.lower())
        elif path and not path.startswith("/"):
            reading.warning(where, "session.path", f"must be a path that starts with /, is {path!r}: no sessions")
        else:
            return Session(cookie=name, path=path or "/")
    return None
