"""What the API server is asked: pages of a list, and the events of a watch; asynchronous, in bounded memory."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import httpx
import msgspec

from xds import __version__
from xds.model.shallow import read
from xds.sources.kube_config import NoCluster

PAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024
LINE_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""An event is one object, of which etcd takes 1.5 MiB unless told otherwise; JSON may be larger than what is stored."""

_PAGE: Final = 500
_FEWER: Final = 8
_ERROR_LIMIT_BYTES: Final = 64 * 1024
_CONNECT_S: Final = 5.0
_READ_S: Final = 30.0
_SILENCE_S: Final = 80.0
"""The API server sends a bookmark a minute, so without one the connection may be half open.

For a kind that nothing happens to it may send none (its etcd tells progress rarely): to ask again costs one request.
"""
_GONE: Final = ("Expired", "Gone")
_OTHER_TIME: Final = re.compile("too (old|large) resource version", re.IGNORECASE)  # large: an older store was put back
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)

T = TypeVar("T")
Parameters = Mapping[str, str | int]


class Unreachable(Exception):
    """No answer, or none of use; ``after_s`` is how long the API server wants to be left alone."""

    def __init__(self, text: str, after_s: float = 0.0) -> None:
        super().__init__(text)
        self.after_s = after_s


class Refused(Exception):
    """The API server's rules do not let us read this."""


class NotServed(Exception):
    """The API has no such kind."""


class Expired(Exception):
    """What was seen last is too long ago to go on from it: everything must be listed again."""


class _TooLarge(Exception):
    """A page beyond the limit."""


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(name="resourceVersion", default="")
    more: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct):
    """Some objects of a list, as JSON. ``metadata.resource_version`` is the same on all pages."""

    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class WatchEvent(msgspec.Struct):
    """ADDED, MODIFIED, DELETED or BOOKMARK, with the object as JSON."""

    type: str
    object: msgspec.Raw


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""


class KubeClient:
    """Reads by a ``kubernetes.client.Configuration``: its address, authorities, client certificate and token.

    HTTP/1.1 with a connection for each watch: a slow one holds up no other. The environment's proxies are not used.
    Errors: NoCluster where the configuration would not verify the server, or its files cannot be read.
    """

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._token = asyncio.Lock()
        self._tls = _tls(configuration)
        name = getattr(configuration, "tls_server_name", None)
        self._extensions: dict[str, Any] = {"sni_hostname": name} if name else {}
        self._client = httpx.AsyncClient(
            base_url=configuration.host,
            transport=httpx.AsyncHTTPTransport(
                verify=self._tls, limits=httpx.Limits(max_connections=None), socket_options=_KEEPALIVE
            ),
            trust_env=False,
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": f"plait/{__version__}",
            },
        )
        self._pages = msgspec.json.Decoder(Page)
        self._events = msgspec.json.Decoder(WatchEvent)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def get(self, path: str, shape: type[T]) -> T:
        """What stands at ``path``. Errors: Unreachable, Refused, NotServed."""
        return _decoded(msgspec.json.Decoder(shape), await self._body(path, {}))

    async def pages(self, path: str, parameters: Parameters) -> AsyncGenerator[Page, None]:
        """All objects of a list as they are now (a quorum read), page after page.

        Pages that would be too large are asked for with fewer objects.
        Errors: Unreachable, Refused, NotServed; Expired when the list must begin anew.
        """
        limit, more = _PAGE, ""
        while True:
            try:
                body = await self._body(path, {**parameters, "limit": limit, **({"continue": more} if more else {})})
            except _TooLarge as error:
                if limit == 1:
                    raise Unreachable(str(error)) from None
                limit = max(limit // _FEWER, 1)
                continue
            page = _decoded(self._pages, body)
            more = page.metadata.more
            yield page
            if not more:
                return

    async def watch(self, path: str, parameters: Parameters) -> AsyncGenerator[list[WatchEvent], None]:
        """The events of a watch, as many together as have arrived; none at first, when it has begun.

        It ends when the API server ends it, or says nothing for longer than between two bookmarks.
        Errors: Unreachable, Refused, NotServed; Expired when the watch cannot go on from where it was.
        """
        try:
            async with self._asked(path, {**parameters, "watch": "true"}, _SILENCE_S) as response:
                yield []
                async for lines in _lines(response.aiter_raw()):
                    yield [self._event(line) for line in lines if line]
        except httpx.ReadTimeout:
            return

    def _event(self, line: bytes) -> WatchEvent:
        event = _decoded(self._events, line)
        if event.type == "ERROR":
            status = _decoded(msgspec.json.Decoder(_Status), event.object)
            raise _error(status.code, status)
        return event

    async def _body(self, path: str, parameters: Parameters) -> bytearray:
        """The whole answer. Errors: _TooLarge and those of ``_asked``."""
        try:
            async with self._asked(path, parameters, _READ_S) as response:
                return await _bounded(response, path)
        except httpx.ReadTimeout:
            raise Unreachable(f"no answer within {_READ_S:g} s") from None

    @asynccontextmanager
    async def _asked(self, path: str, parameters: Parameters, silence_s: float) -> AsyncIterator[httpx.Response]:
        """An answer that is good. Errors: httpx.ReadTimeout, Unreachable, Refused, NotServed, Expired."""
        headers = await self._credentials()
        timeout = httpx.Timeout(_CONNECT_S, read=silence_s, pool=None)
        try:
            request = self._client.stream(
                "GET", path, params=parameters, headers=headers, timeout=timeout, extensions=self._extensions
            )
            async with request as response:
                if response.status_code != httpx.codes.OK:
                    raise await _failed(response)
                yield response
        except httpx.ReadTimeout:
            raise
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError) as error:
            if "CERTIFICATE" in str(error).upper():  # ours or the authorities' may have been replaced since
                with suppress(NoCluster):
                    _load(self._tls, self._configuration)
            raise Unreachable(f"{type(error).__name__}: {error}") from None

    async def _credentials(self) -> dict[str, str]:
        """The header that says who we are, read anew: tokens of pods are replaced, plug-ins make new ones."""
        configuration = self._configuration
        try:
            async with self._token:  # the configuration is no value: one at a time
                key = await asyncio.to_thread(
                    configuration.get_api_key_with_prefix, "BearerToken", alias="authorization"
                )
        except Exception as error:  # of any kind: a plug-in's, a file's; its text might hold what it read
            raise Unreachable(f"the token cannot be had: {type(error).__name__}") from None
        return {"authorization": key.strip()} if key else {}


def _tls(configuration: Any) -> ssl.SSLContext:
    """How the server is verified, and what we show it. Errors: NoCluster."""
    if not configuration.verify_ssl:
        raise NoCluster("insecure-skip-tls-verify: a cluster whose API server is not verified is not read")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, configuration)
    return context


def _load(context: ssl.SSLContext, configuration: Any) -> None:
    """Put the files' certificates into ``context``, beside those that it has. Errors: NoCluster."""
    try:
        if configuration.ssl_ca_cert:
            context.load_verify_locations(configuration.ssl_ca_cert)
        elif configuration.ca_cert_data:
            context.load_verify_locations(cadata=configuration.ca_cert_data)
        else:
            context.load_default_certs()
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
    except (OSError, ValueError) as error:
        raise NoCluster(f"certificates for the API server cannot be read: {error}") from None


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """The whole lines in each chunk. Errors: Expired for a line that is too long: listing is by pages."""
    held = bytearray()
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        if whole:
            whole[0] = bytes(held) + whole[0]
            held.clear()
            yield whole
        held += rest
        if len(held) > LINE_LIMIT_BYTES:
            raise Expired(f"an event is larger than {LINE_LIMIT_BYTES >> 20} MiB")


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes | bytearray | msgspec.Raw) -> T:
    try:
        return read(decoder.decode, text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreachable(f"the answer is none of an API server: {error}") from None


async def _bounded(response: httpx.Response, path: str) -> bytearray:
    """The whole body. Errors: _TooLarge."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > PAGE_LIMIT_BYTES:
            raise _TooLarge(f"an answer for {path} is larger than {PAGE_LIMIT_BYTES >> 20} MiB")
    return body


async def _failed(response: httpx.Response) -> Exception:
    """The exception for an answer that is none, with the API server's own words."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _ERROR_LIMIT_BYTES:
            break
    try:
        status = msgspec.json.decode(body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        status = _Status(message=response.reason_phrase)
    after = response.headers.get("retry-after", "")
    return _error(response.status_code, status, float(after) if after.isdecimal() and len(after) < 4 else 0.0)


def _error(code: int, status: _Status, after_s: float = 0.0) -> Exception:
    said = f"{code} {status.reason}: {status.message}".strip()
    if code == httpx.codes.GONE or status.reason in _GONE or _OTHER_TIME.search(status.message):
        return Expired(said)
    if code == httpx.codes.FORBIDDEN:
        return Refused(status.message or said)
    if code == httpx.codes.NOT_FOUND:
        return NotServed(said)
    return Unreachable(said, after_s)
