"""Whether a container answers, asked from inside its own pod so that no sidecar stands between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from xds.local.netns import open_connection
from xds.local.pods import Container, ExecAction, HttpGet, Probe, TcpSocket

# How often a port is tried that has no probe of its own and is not open yet.
_OPENING: Final = timedelta(milliseconds=100)

RunCommand = Callable[[Sequence[str]], Awaitable[int]]


def probes_of(container: Container) -> tuple[Probe, ...]:
    """The container's readiness probe, else one for each TCP port it declares (each must have accepted once)."""
    if container.readiness is not None:
        return (container.readiness,)
    ports = [port.port for port in container.ports if port.protocol == "TCP"]
    return tuple(Probe(TcpSocket(port), period=_OPENING) for port in ports)


async def succeeds(probe: Probe, namespace: int, address: str, run: RunCommand) -> bool:
    """Whether one try of the probe succeeds within its timeout."""
    try:
        async with asyncio.timeout(probe.timeout.total_seconds()):
            match probe.action:
                case HttpGet():
                    return 200 <= await _http_status(probe.action, namespace, address) < 400
                case TcpSocket(port):
                    _, writer = await open_connection(namespace, address, port)
                    writer.transport.abort()
                    return True
                case ExecAction(command):
                    return await run(command) == 0
    except (OSError, TimeoutError, ValueError):
        return False


async def _http_status(action: HttpGet, namespace: int, address: str) -> int:
    """The status of ``GET``, of whose answer only the first line is read."""
    host = f"[{address}]" if ":" in address else address
    fields = {"Host": f"{host}:{action.port}", "User-Agent": "plait-probe", "Connection": "close"}
    fields.update(action.headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    reader, writer = await open_connection(namespace, address, action.port)
    try:
        writer.write(f"GET {action.path} HTTP/1.1\r\n{head}\r\n".encode())
        line = await reader.readline()
        return int(line.split(b" ", 2)[1])
    except IndexError as error:
        raise ValueError("no HTTP status line") from error
    finally:
        writer.close()


async def watch(
    container: Container, namespace: int, address: str, run: RunCommand, report: Callable[[bool], None]
) -> None:
    """Report whenever the container becomes ready or unready; ends when it is ready for good (no probe of its own)."""
    if container.readiness is None:
        for probe in probes_of(container):
            while not await succeeds(probe, namespace, address, run):  # noqa: ASYNC110 (nobody tells us)
                await asyncio.sleep(probe.period.total_seconds())
        report(True)
        return
    probe, ready, streak = container.readiness, False, 0
    await asyncio.sleep(probe.initial_delay.total_seconds())
    while True:
        good = await succeeds(probe, namespace, address, run)
        streak = streak + 1 if good is not ready else 0
        if streak >= (probe.failure_threshold if ready else probe.success_threshold):
            ready, streak = not ready, 0
            report(ready)
        await asyncio.sleep(probe.period.total_seconds())
