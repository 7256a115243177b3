"""Argument lists that put a command into a namespace under a user, and programs run to their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

# What must be installed for the mode with namespaces, and the Debian package it is in.
TOOLS: Final = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ip": "iproute2",
    "iptables-restore": "iptables",
    "ip6tables-restore": "iptables",
}
_NEARBY: Final = 64


class CommandFailed(RuntimeError):
    """A program that sets something up ended with an error; the text holds what it said."""


@dataclass(frozen=True, slots=True)
class User:
    """Under whom a command runs. ``reads_all`` lets it read what the user could not (never write)."""

    uid: int
    gid: int
    reads_all: bool = False


def missing_tools() -> tuple[str, ...]:
    """The packages that are not installed and must be, sorted."""
    return tuple(sorted({package for tool, package in TOOLS.items() if shutil.which(tool) is None}))


def inside_pod(holder: int, user: User, command: Sequence[str], directory: str = "/") -> tuple[str, ...]:
    """The command as run in all namespaces of the pod whose holder has that process id (on this machine).

    Exit status and signals of the command become those of the whole.
    """
    caps = "-all,+dac_read_search" if user.reads_all else "-all"
    ids = (f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups")
    rights = (f"--inh-caps={caps}", f"--ambient-caps={caps}", f"--bounding-set={caps}", "--no-new-privs")
    into = ("nsenter", f"--target={holder}", "--mount", "--net", "--pid", "--uts", "--ipc")
    return (*into, "setpriv", *ids, *rights, "env", f"--chdir={directory}", *command)


def inside_network(pid: int, command: Sequence[str]) -> tuple[str, ...]:
    """The command as run by root in the network namespace of the process and else in ours."""
    return ("nsenter", f"--target={pid}", "--net", *command)


async def run(command: Sequence[str], text: str = "") -> str:
    """What the program wrote to its output, given ``text`` as input. CommandFailed when its status is not 0."""
    with tempfile.TemporaryFile() as given:  # a pipe breaks when the program ends before it has read all
        given.write(text.encode())
        given.seek(0)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=given, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    if process.returncode:
        raise CommandFailed(f"{' '.join(command)}: status {process.returncode}: {err.decode(errors='replace').strip()}")
    return out.decode(errors="replace")


def parent_of(pid: int) -> int:
    """The parent's process id; 0 when there is no such process."""
    return _stat_field(pid, 1)


def started_at(pid: int) -> int:
    """When the process started, in clock ticks since boot; 0 when there is none. With the id it names it for ever."""
    return _stat_field(pid, 19)


def _stat_field(pid: int, index: int) -> int:
    """A field of ``/proc/PID/stat``, counted from the one after the program's name."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[index])


def child_of(pid: int) -> int:
    """The process id of a child of ``pid``; 0 when it has none.

    The kernel may lack ``/proc/PID/task/TID/children``, so the parents of all are looked at, the likely ones first.
    """
    everything = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    return next((other for other in chain(range(pid + 1, pid + _NEARBY), everything) if parent_of(other) == pid), 0)


async def kill(process: asyncio.subprocess.Process) -> None:
    """Kill what ``nsenter`` runs, then it (it would let its child live); returns when both are gone."""
    child = child_of(process.pid)
    with contextlib.suppress(ProcessLookupError):
        if child:
            os.kill(child, signal.SIGKILL)
        process.kill()
    await process.wait()


def reachable(path: Path, user: User) -> bool:
    """Whether the user may walk to ``path`` and read it, by the permission bits of it and all folders above."""
    real = path.resolve()
    return all(permitted(part, user, stat.S_IXOTH) for part in real.parents) and permitted(real, user, stat.S_IROTH)


def permitted(path: Path, user: User, bit: int) -> bool:
    """Whether the permission bits of ``path`` give the user what ``bit``, one of those for others, would give them."""
    try:
        found = path.stat()
    except OSError:
        return False
    if found.st_uid == user.uid:
        return bool(found.st_mode & bit << 6)
    if found.st_gid == user.gid:
        return bool(found.st_mode & bit << 3)
    return bool(found.st_mode & bit)


def user_for(uid: int, gid: int, paths: Iterable[Path]) -> User:
    """The user for applications: with the right to read everything where some of ``paths`` would be closed to it."""
    plain = User(uid, gid)
    return plain if all(reachable(path, plain) for path in paths) else User(uid, gid, reads_all=True)
