"""The network namespaces of pods of this machine, found by their processes; never the machine's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from xds.cni.cgroups import pod_uid
from xds.local.commands import started_at

_PROC: Final = Path("/proc")

Network = tuple[int, int]
"""A network namespace by the numbers of its device and its inode, which are nobody else's while it is there."""


class HostNetwork(RuntimeError):
    """The network namespace is the machine's or our own, and must not be touched."""


def processes(uids: Collection[str]) -> dict[str, list[int]]:
    """The processes of those pods that run now, the oldest first: that is the one that holds the pod's namespaces."""
    found: dict[str, list[tuple[int, int]]] = {}
    for pid in _pids():
        uid = _uid_of(pid)
        if uid in uids:
            found.setdefault(uid, []).append((started_at(pid), pid))
    return {uid: [pid for _, pid in sorted(known)] for uid, known in found.items()}


def network_of(pid: int | str) -> Network:
    """The network namespace of a process, ``self`` for ours. Errors: OSError, also for who may not know."""
    found = (_PROC / str(pid) / "ns" / "net").stat()
    return found.st_dev, found.st_ino


def machine_networks() -> frozenset[Network]:
    """What must never be touched: the network of the machine's first process, and our own.

    Errors: OSError where we are not in the machine's process namespace, or may not look.
    """
    return frozenset({network_of(1), network_of("self")})


@contextlib.contextmanager
def network_namespace(uid: str, pid: int, untouchable: frozenset[Network]) -> Iterator[int]:
    """A descriptor of the network namespace of a process of that pod, which is none of the ``untouchable``.

    Errors: ProcessLookupError when it is no such process (any more); HostNetwork when the namespace is no pod's, which
    is also so for a moment while the pod is being made.
    """
    try:
        namespace = os.open(_PROC / str(pid) / "ns" / "net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ProcessLookupError(f"process {pid} has gone: {error}") from None
    try:
        # Ids of processes are used again: what is open now is the pod's only if the process still is.
        if _uid_of(pid) != uid:
            raise ProcessLookupError(f"process {pid} is no longer one of pod {uid}")
        must_be_none_of(untouchable, namespace)
        yield namespace
    finally:
        os.close(namespace)


def must_be_none_of(untouchable: frozenset[Network], namespace: int) -> None:
    """Nothing. Errors: HostNetwork when the descriptor's namespace is one of these."""
    found = os.fstat(namespace)
    if (found.st_dev, found.st_ino) in untouchable:
        raise HostNetwork("the network namespace is the machine's or our own, not a pod's")


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())


def _uid_of(pid: int) -> str:
    try:
        return pod_uid((_PROC / str(pid) / "cgroup").read_text())
    except OSError:
        return ""
