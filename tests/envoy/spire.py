"""A real SPIRE server and agent of one trust domain on this machine."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.envoy.loopback import until

SERVER_CONF: Final = """\
server {{
    bind_address = "127.0.0.1"
    bind_port = {port}
    socket_path = "{folder}/server.sock"
    trust_domain = "{trust_domain}"
    data_dir = "{folder}/server"
    log_level = "WARN"
    ca_ttl = "24h"
    default_x509_svid_ttl = "1h"
    experimental {{ cache_reload_interval = "1s" }}
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{folder}/server/datastore.sqlite3"
        }}
    }}
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    KeyManager "memory" {{ plugin_data {{}} }}
}}
"""
AGENT_CONF: Final = """\
agent {{
    data_dir = "{folder}/agent"
    log_level = "WARN"
    server_address = "127.0.0.1"
    server_port = {port}
    socket_path = "{folder}/agent.sock"
    trust_domain = "{trust_domain}"
    trust_bundle_path = "{folder}/bundle.pem"
    join_token_file = "{folder}/join-token"
    sds {{
        default_svid_name = "default"
        default_bundle_name = "ROOTCA"
        default_all_bundles_name = "ALL"
    }}
    experimental {{ sync_interval = "1s" }}
}}
plugins {{
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    KeyManager "memory" {{ plugin_data {{}} }}
    WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""


@dataclass
class Spire:
    """A trust domain: the server, later its agent; ``folder`` has a short path, sockets are in it."""

    programs: Path
    folder: Path
    trust_domain: str
    port: int = 0
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def agent_socket(self) -> Path:
        """The agent's socket: Workload API and SDS."""
        return self.folder / "agent.sock"

    async def start_server(self) -> None:
        """Start the server; returns when it answers."""
        self.folder.mkdir(mode=0o700)
        (self.folder / "server").mkdir()
        self.port = _free_port()
        await self._run("spire-server", SERVER_CONF)
        await until(self._server_is_healthy, f"SPIRE server of {self.trust_domain}")

    async def start_agent(self) -> None:
        """Start the agent with a join token, and the trust bundle so that it knows its server.

        Every process of this user then is ``/ns/shop/sa/web`` of the trust domain, and gets every known bundle.
        """
        token = json.loads(await self.server("token", "generate", "-output", "json"))["value"]
        node = f"spiffe://{self.trust_domain}/spire/agent/join_token/{token}"
        federated = [f"-federatesWith=spiffe://{each}" for each in await self._federated()]
        identity = f"spiffe://{self.trust_domain}/ns/shop/sa/web"
        selector = f"unix:uid:{os.getuid()}"
        await self.server(
            "entry", "create", "-parentID", node, "-spiffeID", identity, "-selector", selector, *federated
        )
        _write_private(self.folder / "join-token", token)
        _write_private(self.folder / "bundle.pem", await self.server("bundle", "show"))
        await self._run("spire-agent", AGENT_CONF)
        await until(self._agent_is_healthy, f"SPIRE agent of {self.trust_domain}")

    async def trust(self, other: Spire) -> None:
        """Take the other domain's bundle as a foreign one."""
        path = self.folder / other.trust_domain
        path.write_text(await other.server("bundle", "show", "-format", "spiffe"))
        name = f"spiffe://{other.trust_domain}"
        await self.server("bundle", "set", "-format", "spiffe", "-id", name, "-path", str(path))

    async def server(self, noun: str, verb: str, *flags: str) -> str:
        """What a subcommand of spire-server prints."""
        code, output = await self._command(
            "spire-server", (noun, verb, "-socketPath", str(self.folder / "server.sock"), *flags)
        )
        assert code == 0, output
        return output

    async def stop(self) -> None:
        """End both and wait for them."""
        for process in reversed(self.processes):
            if process.returncode is None:
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _federated(self) -> list[str]:
        """The trust domains whose bundles the server has."""
        found = json.loads(await self.server("bundle", "list", "-output", "json"))
        return [each["trust_domain"] for each in found["bundles"]]

    async def _server_is_healthy(self) -> bool:
        flags = ("healthcheck", "-socketPath", str(self.folder / "server.sock"))
        return await self._is_healthy("spire-server", flags)

    async def _agent_is_healthy(self) -> bool:
        return await self._is_healthy("spire-agent", ("healthcheck", "-socketPath", str(self.agent_socket)))

    async def _is_healthy(self, program: str, arguments: Sequence[str]) -> bool:
        process = self.processes[-1]
        assert process.returncode is None, (self.folder / f"{program}.log").read_text()
        return (await self._command(program, arguments))[0] == 0

    async def _command(self, program: str, arguments: Sequence[str]) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            self.programs / program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode()

    async def _run(self, program: str, conf: str) -> None:
        path = self.folder / f"{program}.conf"
        path.write_text(conf.format(folder=self.folder, port=self.port, trust_domain=self.trust_domain))
        with (self.folder / f"{program}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                self.programs / program, "run", "-config", path, stdout=log, stderr=log
            )
        self.processes.append(process)


def _free_port() -> int:
    """A port that the kernel had free just now: SPIRE refuses port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
