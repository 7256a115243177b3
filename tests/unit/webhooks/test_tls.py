"""HTTPS whose certificate is replaced while it is served."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from ca.authority import Authority
from ca.issuer import self_signed
from xds.admin.listen import listen
from xds.events import Event
from xds.webhooks import tls
from xds.webhooks.review import Answer
from xds.webhooks.server import app

AUTHORITY = Authority(self_signed(datetime.now(UTC)), "cluster.local")


def pair() -> tls.Pair:
    issued = AUTHORITY.issue_server(("127.0.0.1",), timedelta(hours=1), datetime.now(UTC))
    return issued.private_key, issued.certificate_chain


class Shown:
    """The pair that is to be shown."""

    def __init__(self) -> None:
        self.pair = pair()
        self.trouble: Exception | None = None

    def __call__(self) -> tls.Pair:
        if self.trouble is not None:
            raise self.trouble
        return self.pair


@asynccontextmanager
async def served(shown: Shown) -> AsyncIterator[int]:
    listener, stop = listen("127.0.0.1:0"), asyncio.Event()
    port = listener.getsockname()[1]
    application = app(lambda _: Answer(), lambda _: Answer())
    serving = asyncio.create_task(tls.serve(application, listener, shown, stop))
    try:
        yield port
    finally:
        stop.set()
        await serving


def trusting(**versions: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.roots.pem.decode())
    for name, version in versions.items():
        setattr(context, name, version)
    return context


async def certificate(port: int, context: ssl.SSLContext | None = None) -> bytes:
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context or trusting())
    found: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return found


def leaf(shown: tls.Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(shown[1].decode())


async def test_it_is_https_by_our_roots() -> None:
    async with served(Shown()) as port, httpx.AsyncClient(verify=trusting(), http2=True) as asked:
        answer = await asked.get(f"https://127.0.0.1:{port}/healthz")
        assert (answer.text, answer.http_version) == ("ok\n", "HTTP/1.1")


async def test_who_sends_too_much_is_told() -> None:
    async with served(Shown()) as port, httpx.AsyncClient(verify=trusting()) as asked:
        url = f"https://127.0.0.1:{port}/validate"
        assert (await asked.post(url, content=b" " * 20_000_000)).status_code == 413
        assert (await asked.post(url, content=b" " * 7_000_000)).status_code == 400


@pytest.mark.parametrize(
    "garbage",
    [
        b"garbage\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"a" * 100_000,
    ],
)
async def test_what_is_no_http_is_refused(garbage: bytes) -> None:
    async with served(Shown()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting())
        writer.write(garbage)
        assert (await reader.readline()).startswith(b"HTTP/1.1 4")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # no TLS at all
        writer.write(garbage)
        assert b"HTTP" not in await reader.read()
        writer.close()
        assert await certificate(port)


async def test_tls_before_1_2_is_refused() -> None:
    context = trusting(minimum_version=ssl.TLSVersion.MINIMUM_SUPPORTED)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with served(Shown()) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await certificate(port, context)
        assert await certificate(port, trusting(maximum_version=ssl.TLSVersion.TLSv1_2))


async def test_another_certificate_is_shown_to_who_connects_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_S", 0.01)
    shown = Shown()
    async with served(shown) as port, httpx.AsyncClient(verify=trusting()) as open_since_before:
        url = f"https://127.0.0.1:{port}/healthz"
        await open_since_before.get(url)
        assert await certificate(port) == leaf(shown.pair)
        shown.pair = pair()
        async with asyncio.timeout(10):
            while await certificate(port) != leaf(shown.pair):
                pass
        assert (await open_since_before.get(url)).text == "ok\n"


async def test_the_old_one_stays_while_none_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_LOOK_S", 0.01)
    shown = Shown()
    with capture_logs() as logs:
        async with served(shown) as port:
            await certificate(port)
            shown.trouble = ValueError("no CA")
            async with asyncio.timeout(10):
                while not logs:  # noqa: ASYNC110 (nobody is told)
                    await asyncio.sleep(0.01)
            assert await certificate(port) == leaf(shown.pair)
            shown.trouble, shown.pair = None, (b"no key", b"no certificate")
            async with asyncio.timeout(10):
                while len(logs) < 2:  # noqa: ASYNC110 (nobody is told)
                    await asyncio.sleep(0.01)
            assert await certificate(port)
    assert [each["event"] for each in logs] == [Event.WEBHOOK_CERTIFICATE_NOT_HAD] * 2  # each trouble once


async def test_without_any_it_does_not_start() -> None:
    shown = Shown()
    shown.trouble = ValueError("no CA")
    listener = listen("127.0.0.1:0")
    with pytest.raises(ValueError, match="no CA"):
        await tls.serve(None, listener, shown, asyncio.Event())
    listener.close()


def test_no_key_is_left_open() -> None:
    before = sorted(path.name for path in Path("/proc/self/fd").iterdir())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load(context, pair())
    with pytest.raises(ssl.SSLError):
        tls.load(context, (b"", b""))
    assert sorted(path.name for path in Path("/proc/self/fd").iterdir()) == before
