"""Whose tokens prove who a caller is in a cluster: those that its API server takes, or while it is away, has signed."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

import structlog
from kubernetes import client
from urllib3.exceptions import HTTPError

from xds.callers.bearer import bearer
from xds.callers.caller import Caller
from xds.callers.token_review import KubernetesReviews, TokenReviews
from xds.callers.tokens import TokenKeys, Tokens
from xds.events import Event
from xds.model.identity import AUDIENCE
from xds.server import Denied, Peer, Reason

log = structlog.get_logger()

_TIMEOUT_S: Final = 5.0
# How often the keys are read anew: API servers are started with new ones before they sign with them.
_REFRESH_S: Final = 600.0
_AGAIN_S: Final = 5.0
# An API server that does not answer is not asked again before this: each question would wait for its time limit.
_QUIET_S: Final = 5.0


class ClusterTokens:
    """The way of service-account tokens of the cluster that ``api_client`` (kubernetes.client.ApiClient) reaches.

    The API server reviews each, and so knows of deleted pods. While it does not answer, its public keys decide, which
    were read before: proxies that reconnect must not wait for it.
    """

    asks: Final = f"a service-account token (authorization: Bearer, audience {AUDIENCE})"

    def __init__(self, api_client: Any, trust_domain: str) -> None:
        self._api = api_client
        self._trust_domain = trust_domain
        self._reviews = TokenReviews(trust_domain, KubernetesReviews(client.AuthenticationV1Api(api_client)))
        self._signed: Tokens | None = None
        self._quiet_until = 0.0

    async def caller(self, peer: Peer) -> Caller | None:
        """Whose token the peer presents; None when it presents none. Errors: Denied."""
        token = bearer(peer)
        if token is None:
            return None
        if self._signed is not None and time.monotonic() < self._quiet_until:
            return self._signed.verify(token)
        if self._signed is not None and self._signed.knows(token):
            self._signed.verify(token)  # what is none costs the API server nothing
        try:
            return await self._reviews.caller(peer)
        except Denied as denied:
            if denied.reason is not Reason.UNAVAILABLE or self._signed is None:
                raise
        self._quiet_until = time.monotonic() + _QUIET_S
        log.warning(Event.TOKENS_NOT_REVIEWED, advice="the API server does not answer: its keys decide")
        return self._signed.verify(token)

    async def follow(self) -> None:
        """Keep the API server's public keys at hand, for ever."""
        known, trouble = "", ""
        while True:
            try:
                issuer, text = await asyncio.to_thread(self._read)
                keys = TokenKeys.of(issuer, json.loads(text))
            except (client.ApiException, HTTPError, OSError, ValueError) as error:
                if trouble != type(error).__name__:
                    trouble = type(error).__name__
                    log.error(Event.TOKEN_KEYS_NOT_READ, issuer="the cluster", reason=str(error)[:500])
                await asyncio.sleep(_AGAIN_S)
                continue
            if text != known:
                known, self._signed = text, Tokens(self._trust_domain, keys)
                log.info(Event.TOKEN_KEYS_TAKEN, issuer=issuer, keys=sorted(keys.keys))
            trouble = ""
            await asyncio.sleep(_REFRESH_S)

    def _read(self) -> tuple[str, str]:
        # As text, since the client library would make a Python value's repr of it.
        how: dict[str, Any] = {"_preload_content": False, "_request_timeout": _TIMEOUT_S}
        about: Any = client.WellKnownApi(self._api).get_service_account_issuer_open_id_configuration(**how)
        keys: Any = client.OpenidApi(self._api).get_service_account_issuer_open_id_keyset(**how)
        return str(json.loads(about.data)["issuer"]), keys.data.decode()
