"""Whose tokens prove who a caller is: an issuer's public keys, from a file or a URL, and new ones as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from xds.callers.caller import Caller
from xds.callers.tokens import TokenKeys, Tokens
from xds.events import Event
from xds.server import Peer
from xds.sources.file_set import Signature, signature
from xds.sources.key_sets import KeySets, KeySetSettings

log = structlog.get_logger()

_LOOK_AGAIN_S: Final = 1.0


class TokenIssuer:
    """A way to prove who one is. ``where`` is the path of a JWK set, or its URL.

    Errors: ValueError when the file holds no keys; OSError. A URL is read later, and no token is taken until then.
    """

    asks: Final = Tokens.asks

    def __init__(self, issuer: str, where: str, trust_domain: str, refresh: timedelta) -> None:
        self._issuer = issuer
        self._where = where
        self._refresh = refresh
        remote = where.startswith(("http://", "https://"))
        self._file = None if remote else Path(where)
        self._signature: Signature | None = None if self._file is None else signature(self._file.stat())
        keys = TokenKeys(issuer, {}) if self._file is None else self._keys(self._file.read_bytes())
        self.tokens: Final = Tokens(trust_domain, keys)

    async def caller(self, peer: Peer) -> Caller | None:
        """Whose token the peer presents; None when it presents none. Errors: Denied."""
        return await self.tokens.caller(peer)

    async def follow(self) -> None:
        """Take new keys as they come, for ever; those that are there stay while others cannot be read."""
        async with aclosing(self._remote() if self._file is None else self._local(self._file)) as texts:
            async for text in texts:
                try:
                    keys = self._keys(text)
                except ValueError as error:
                    log.error(Event.TOKEN_KEYS_NOT_READ, issuer=self._issuer, reason=str(error))
                    continue
                self.tokens.keys = keys
                log.info(Event.TOKEN_KEYS_TAKEN, issuer=self._issuer, keys=sorted(keys.keys))

    async def _remote(self) -> AsyncGenerator[str | bytes, None]:
        sets = KeySets(KeySetSettings(refresh=self._refresh, blocked=()))
        sets.want([self._where])
        async with aclosing(sets.changes()) as changes:
            async for _, found in changes:
                if found.jwks:  # a failure is in the log already
                    yield found.jwks

    async def _local(self, file: Path) -> AsyncGenerator[str | bytes, None]:
        while True:
            await asyncio.sleep(_LOOK_AGAIN_S)
            try:
                known = signature(await asyncio.to_thread(file.stat))
                if known == self._signature:
                    continue
                text = await asyncio.to_thread(file.read_bytes)
            except OSError as error:
                known, text = None, b""
                if self._signature is not None:
                    log.error(Event.TOKEN_KEYS_NOT_READ, issuer=self._issuer, reason=str(error))
            self._signature = known
            if text:
                yield text

    def _keys(self, text: str | bytes) -> TokenKeys:
        try:
            read = json.loads(text)
        except ValueError:
            raise ValueError(f"{self._where} is no JWK set: it is not JSON") from None
        if not isinstance(read, dict):
            raise ValueError(f"{self._where} is no JWK set: it must be an object with `keys`")
        return TokenKeys.of(self._issuer, read)
