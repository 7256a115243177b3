"""The node: one set of namespaces that holds all pods of a local mesh, and dies with this process.

How it holds together: ``unshare`` makes network, mount, IPC and PID namespaces; their first process is a ``cat`` that
reads a pipe of ours. When this process ends, in whatever way, the pipe ends, ``cat`` ends, and the kernel kills every
process of the PID namespace and with them drops all mounts, links, rules and nested namespaces. Nothing is ever set up
on the host itself: no link, no route, no rule, no mount.

Network: each pod has a ``/32`` address and a veth link whose other end is in the node's namespace; all packets between
pods are routed there, so that one set of rules serves all pods (``service_rules``). The host has no route to the pods:
the control plane is reached through a unix socket in a file system that only the node has (``path``), host ports for
gateways are sockets of ours whose other side is made in the node's namespace (``netns``), and TCP to the outside world
is relayed by this process (``egress``).
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Final

from xds.local.commands import CommandFailed, child_of, inside_network, run

# The node's own file system is mounted here, over a folder of the host's that stays empty apart from state files.
RUN_DIR: Final = Path("/run/plait")
_READY: Final = b"ready\n"
_SCRIPT: Final = """
set -e
trap '' CHLD
mount -t tmpfs -o mode=755 tmpfs /run/plait
ip link set lo up
if [ -n "$1" ]; then
    touch /run/plait/envoy
    mount --bind "$1" /run/plait/envoy
fi
shift
for address; do
    case "$address" in
    *:*)
        if [ ! -e /proc/sys/net/ipv6 ]; then echo "this kernel has no IPv6" >&2; exit 1; fi
        echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
        ip -6 address add "$address/128" dev lo nodad ;;
    *)
        echo 1 > /proc/sys/net/ipv4/ip_forward
        ip address add "$address/32" dev lo ;;
    esac
done
echo ready
exec cat > /dev/null
"""
# Kills the namespaces' first process when unshare dies, and unshare when we die.
_UNSHARE: Final = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--mount-proc"),
)


class Node:
    """A running node. ``pid`` is its first process, ``namespace`` a descriptor of its network namespace."""

    def __init__(self, process: asyncio.subprocess.Process, pid: int) -> None:
        self._process = process
        self.pid = pid
        self.namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    @classmethod
    async def start(cls, addresses: tuple[str, ...], envoy: Path | None) -> Node:
        """A new node with these addresses (one a family), where Envoy is ``/run/plait/envoy``.

        Errors: CommandFailed with the reason, e.g. when not root.
        """
        RUN_DIR.mkdir(parents=True, exist_ok=True)
        binary = str(envoy) if envoy else ""
        process = await asyncio.create_subprocess_exec(
            *(*_UNSHARE, "sh", "-c", _SCRIPT, "sh", binary, *addresses),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        await expect_ready(process)
        node = cls(process, child_of(process.pid))
        node.write("nsswitch.conf", _name_service())
        return node

    def path(self, name: str) -> Path:
        """Where this process finds the node's file ``/run/plait/name``."""
        return Path(f"/proc/{self.pid}/root{RUN_DIR}") / name

    def write(self, name: str, text: str) -> Path:
        """Write a file of the node, readable by all; returns the path that pods find it under."""
        file = self.path(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return RUN_DIR / name

    async def load_rules(self, lines: list[str], version: int = 4, *, keep: bool = True) -> None:
        """Load rules into the node's network namespace; those of other chains stay when ``keep``."""
        await load_rules(self.pid, lines, version, keep=keep)

    async def wait(self) -> None:
        """Return when the node has ended, by itself or by ``stop``."""
        await self._process.wait()

    async def stop(self) -> None:
        """End every process of the node; returns when none is left."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await self._process.wait()
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1


async def load_rules(pid: int, lines: list[str], version: int = 4, *, keep: bool = False) -> None:
    """Load iptables-restore input into the network namespace of a process. CommandFailed when it is refused."""
    program = "iptables-restore" if version == 4 else "ip6tables-restore"
    flags = ("--noflush",) if keep else ()
    await run(inside_network(pid, ("env", "XTABLES_LOCKFILE=/dev/null", program, *flags)), "\n".join(lines) + "\n")


async def expect_ready(process: asyncio.subprocess.Process) -> None:
    """Return when the process has written its line ``ready``. CommandFailed with its complaint when it ends first."""
    assert process.stdout is not None
    assert process.stderr is not None
    if await process.stdout.readline() == _READY:
        return
    complaint = (await process.stderr.read()).decode(errors="replace").strip()
    raise CommandFailed(f"cannot set up namespaces: {complaint or 'no reason given'}")


def _name_service() -> str:
    """The host's nsswitch.conf with hosts looked up in files and DNS only.

    Modules such as ``resolve`` ask a daemon of the host, which does not know the pods' names, and believe it.
    """
    try:
        text = Path("/etc/nsswitch.conf").read_text()
    except OSError:
        return "hosts: files dns\n"
    return re.sub(r"(?m)^hosts:.*$", "hosts: files dns", text)
