"""The TCP side of the echo server: a first line that says who answers, then every line back."""

from __future__ import annotations

import asyncio
import contextlib
import json

from xds.local.echo.identity import Identity, plain


async def serve_lines(identity: Identity, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one connection until the client ends it.

    The server speaks first, as databases do: a JSON line with pod, namespace, version and peer. Bytes come back as they
    are, not only whole lines.
    """
    peer = writer.get_extra_info("peername") or ("", 0)
    port = (writer.get_extra_info("sockname") or ("", 0))[1]
    facts = {**identity.facts(), "protocol": "TCP", "peer": plain(peer[0]), "peer_port": peer[1], "port": port}
    with contextlib.suppress(ConnectionError):
        writer.write(json.dumps(facts).encode() + b"\n")
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
