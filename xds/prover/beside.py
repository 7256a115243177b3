"""A prover beside a control plane: found, started, and ended with it."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import grpc
import structlog

from xds.events import Event
from xds.prover.bootstrap import bootstrap
from xds.prover.exchange import Exchange
from xds.prover.process import Process, version_of
from xds.prover.proofs import Remembered
from xds.prover.prover import Prover

log = structlog.get_logger()

AUTO: Final = "auto"
OFF: Final = "off"
APART: Final = "unix:"
_FOR_GROUP: Final = 0o660
_LARGEST_BYTES: Final = 64 * 1024 * 1024

Work = dict[str, Coroutine[Any, Any, None]]


class Beside:
    """The prover of a control plane, of ``binary``; its proofs are kept in ``state``, or in memory."""

    def __init__(self, binary: Path, state: Path | None) -> None:
        self._binary = binary
        self._state = state
        self._folder: Path | None = None
        self._server: grpc.aio.Server | None = None

    async def open(self) -> tuple[Prover, Work]:
        """The prover, and what has to run for it. Errors: OSError where the binary cannot be run."""
        version = await version_of(self._binary)
        remembered = await asyncio.to_thread(Remembered, self._state, version)
        self._folder = Path(tempfile.mkdtemp(prefix="plait-prover-"))
        exchange = Exchange()
        process = Process(self._binary, self._folder, lambda: exchange.lost("has ended"), lambda: exchange.arrivals)
        self._server = await _serving(exchange, process.socket)
        prover = Prover(exchange, remembered, process.kill)
        return prover, {"prover's process": process.run(), "prover": prover.run()}

    async def close(self) -> None:
        """End what is left when all work is cancelled."""
        if self._server is not None:
            await self._server.stop(None)
        if self._folder is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


class Apart:
    """A prover that somebody else runs, as a container beside ours: it finds its bootstrap, ``envoy.json``, and our
    socket in a folder that both have.
    """

    def __init__(self, socket: Path, state: Path | None) -> None:
        self._socket = socket
        self._state = state
        self._server: grpc.aio.Server | None = None

    async def open(self) -> tuple[Prover, Work]:
        """The prover, and what has to run for it. Errors: OSError where the folder cannot be written."""
        remembered = Remembered(self._state)  # of the version of the one that comes
        exchange = Exchange(remembered.follow)
        self._server = await _serving(exchange, self._socket)
        await asyncio.to_thread(self._tell)
        # One that does not answer is ended by its own watchdog, or begins another stream.
        prover = Prover(exchange, remembered, lambda: None)
        return prover, {"prover": prover.run()}

    async def close(self) -> None:
        """End what is left when all work is cancelled."""
        if self._server is not None:
            await self._server.stop(None)

    def _tell(self) -> None:
        self._socket.chmod(_FOR_GROUP)  # it runs as another user
        draft = self._socket.with_name(".envoy.json")
        draft.write_text(json.dumps(bootstrap(self._socket)))
        draft.replace(self._socket.with_name("envoy.json"))


async def _serving(exchange: Exchange, socket: Path) -> grpc.aio.Server:
    """A server of the exchange. Errors: OSError where the socket cannot be had."""
    # Envoy may say a whole refused message again.
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", _LARGEST_BYTES)])
    server.add_generic_rpc_handlers([exchange.handler()])
    try:
        server.add_insecure_port(f"unix:{socket}")
    except RuntimeError:
        raise OSError(f"prover: cannot listen on {socket}") from None
    await server.start()
    return server


def beside(setting: str, installed: Path | None, state: Path | None) -> Beside | Apart | None:
    """The prover that a setting means.

    ``auto`` is ``installed``, or none where that is; ``off``; ``unix:`` and the path of a socket, to which one comes;
    or the path of a binary.
    """
    if setting == OFF:
        return None
    if setting.startswith(APART):
        return Apart(Path(setting.removeprefix(APART)), state)
    binary = installed if setting == AUTO else Path(setting)
    if binary is None:
        log.warning(
            Event.PROVER_OFF, reason="no Envoy is installed here: what it would refuse is found by proxies only"
        )
        return None
    return Beside(binary, state)
