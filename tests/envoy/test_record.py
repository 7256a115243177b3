"""`plait record` with real sidecars: all requests, while a websocket stays open and no listener changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.envoy.manifests import documents, namespace, pod, service
from xds.local import state
from xds.local.commands import kill
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

COUNT = 300
PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")
# Sends each line of its input over one websocket, and says what comes back.
SOCKET = """
import socket, sys
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request, TextMessage
connection = WSConnection(ConnectionType.CLIENT)
with socket.create_connection((sys.argv[1], 80), 5) as wire:
    wire.sendall(connection.send(Request(host=sys.argv[1], target="/socket")))
    def text():
        found = ""
        while True:
            connection.receive_data(wire.recv(65536))
            for event in connection.events():
                if isinstance(event, TextMessage):
                    found += event.data
                    if event.message_finished:
                        return found
    text()
    print("open", flush=True)
    for line in sys.stdin:
        wire.sendall(connection.send(TextMessage(data=line.strip())))
        print(text(), flush=True)
"""


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(namespace("shop"), pod("client", account="client"), pod("web-v1", account="web"), service("web"))


@contextlib.asynccontextmanager
async def websocket(mesh: Mesh, pod: str, host: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in a pod that holds a websocket open: a line in, its echo out."""
    key, pipe = mesh.pod(pod), asyncio.subprocess.PIPE
    running = next(entry for entry in state.running(state.state_folder()) if entry.name == mesh.name)
    entry = state.find_pod(running, key.namespace, key.name)
    command = entry.command((sys.executable, "-c", SOCKET, host))
    process = await asyncio.create_subprocess_exec(*command, env=dict(entry.env), stdin=pipe, stdout=pipe)
    try:
        assert await _line(process) == "open"
        yield process
    finally:
        if process.returncode is None:
            await kill(process)


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()


async def _says(process: asyncio.subprocess.Process, text: str) -> str:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n".encode())
    return await _line(process)


async def recording(mesh: Mesh, pod: str) -> bool:
    """Whether a proxy reports all requests."""
    _, body = await mesh.local.admin_get(mesh.pod(pod), "/runtime")
    found: dict[str, Any] = json.loads(body)
    return bool(found["entries"].get("plait.record", {}).get("final_value") == "100")


async def test_all_requests_are_recorded_while_a_websocket_stays_open(mesh: Mesh) -> None:
    wanted = "listener_manager.(listener_modified|listener_in_place_updated|total_listeners_draining)"
    before = await mesh.stats("web-v1", wanted)
    words = (*PLAIT, "record", "shop/web", "--for", "1m", "-o", "json", "--mesh", mesh.name)
    async with websocket(mesh, "client", "web") as socket:
        await mesh.requests("client", "http://web/before", 10)
        command = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        try:
            await mesh.until(lambda: recording(mesh, "web-v1"), "the server's proxy records")
            await mesh.requests("client", "http://web/recorded", COUNT)
            found = [json.loads(await _line(command)) for _ in range(COUNT)]
        finally:
            command.terminate()
            await command.wait()
        assert await _says(socket, "still there") == "still there"
    assert {(each["path"], each["response_code"], each["direction"]) for each in found} == {
        ("/recorded", 200, "server")
    }
    assert len({each["request_id"] for each in found}) == COUNT
    assert not await recording(mesh, "client")
    assert await mesh.stats("web-v1", wanted) == before


async def test_a_recording_ends_by_itself_and_the_proxy_reports_no_more(mesh: Mesh) -> None:
    words = (*PLAIT, "record", "client", "-n", "shop", "--for", "5s", "--mesh", mesh.name)
    pipe = asyncio.subprocess.PIPE
    command = await asyncio.create_subprocess_exec(*words, stdout=pipe, stderr=pipe)
    try:
        await mesh.until(lambda: recording(mesh, "client"), "the client's proxy records")
        await mesh.get("client", "http://web/told?status=404")
        out, told = await asyncio.wait_for(command.communicate(), 60)
    finally:
        if command.returncode is None:
            await kill(command)
    assert command.returncode == 0
    assert b"->  GET web/told?status=404  404" in out
    assert b"plait: recording shop/client: shop/client" in told

    async def off() -> bool:
        return not await recording(mesh, "client")

    await mesh.until(off, "the client's proxy records no more")
