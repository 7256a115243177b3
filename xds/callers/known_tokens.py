"""Tokens that were proven a moment ago, so that a thousand proxies that come back at once cost no signature each."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from datetime import datetime

from xds.callers.caller import Caller


class KnownTokens:
    """At most ``most`` tokens by their SHA-256, each until a moment; the token itself is kept nowhere.

    When there are more, those used longest ago are forgotten first.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._callers: OrderedDict[bytes, tuple[Caller, datetime]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def get(self, token: str, now: datetime) -> Caller | None:
        """Whose token it is; None when that is to be proven, again or for the first time."""
        key = _digest(token)
        found = self._callers.get(key)
        if found is None:
            return None
        caller, until = found
        if now >= until:
            del self._callers[key]
            return None
        self._callers.move_to_end(key)
        return caller

    def add(self, token: str, caller: Caller, until: datetime) -> None:
        """Remember it until that moment."""
        self._callers[_digest(token)] = (caller, until)
        while len(self._callers) > self._most:
            self._callers.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._callers.clear()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
