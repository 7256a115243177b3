"""The admin pages on real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from xds.admin.listen import AddressError, listen, serve


async def _hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", _hello)])


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:0", "unix:{folder}/http.sock"])
async def test_served_until_stopped(address: str, tmp_path: Path) -> None:
    listener = listen(address.format(folder=tmp_path))
    bound = listener.getsockname()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(APP, listener, stop))
    if isinstance(bound, str):
        transport, url = httpx.AsyncHTTPTransport(uds=bound), "http://plait"
    else:
        host = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        transport, url = httpx.AsyncHTTPTransport(), f"http://{host}:{bound[1]}"
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get(url)).text == "hello"
    stop.set()
    async with asyncio.timeout(10):
        await task
    assert not (tmp_path / "http.sock").exists()


def test_a_socket_that_is_left_over_is_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        listen(f"unix:{tmp_path}/http.sock").close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "notes"
    file.write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        listen(f"unix:{file}")
    assert file.read_text() == "precious"


def test_a_host_that_is_unknown_is_said_to_be() -> None:
    with pytest.raises(OSError, match=r"cannot listen on no\.such\.invalid:80: .*(not known|resolution)"):
        listen("no.such.invalid:80")


@pytest.mark.parametrize("address", ["", "nonsense", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536"])
def test_no_address(address: str) -> None:
    with pytest.raises(AddressError, match="must be host:port or unix:/path"):
        listen(address)


def test_an_address_in_use_is_named() -> None:
    with listen("127.0.0.1:0") as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {where}: Address already in use"):
            listen(where)
