"""Interception rules in a pod's network namespace: set once, whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

from xds.cni.sandbox import Network, must_be_none_of
from xds.local.netns import within
from xds.model.interception import Interception, rules

_TIMEOUT_S: Final = 10.0
_SIOCSIFADDR: Final = 0x8916
_LOOPBACK_INDEX: Final = 1
_GLOBAL_SCOPE: Final = "00"
# Envoy's address towards the application, as 127.0.0.6 is, which needs no address of an interface.
_PASSTHROUGH: Final = "::6"


class NotSet(RuntimeError):
    """The rules could not be set; the text holds what iptables said."""


def set_rules(namespace: int, what: Interception, untouchable: frozenset[Network]) -> bool:
    """Whether rules were set in the network namespace (an open descriptor); False when they were there.

    Those for IPv6 first: who sees those for IPv4 may start. Errors: HostNetwork, NotSet, OSError.
    """
    must_be_none_of(untouchable, namespace)
    return within(namespace, partial(_set, what))


def _set(what: Interception) -> bool:
    if _there("iptables"):
        return False
    needed = _has_ipv6()
    try:
        if not _there("ip6tables"):
            _restore("ip6tables", rules(what, 6))
    except NotSet:
        if needed:
            raise
    if needed:
        _add_passthrough()
    _restore("iptables", rules(what, 4))
    return True


def _there(program: str) -> bool:
    command = (program, "-w", "5", "-t", "nat", "-n", "-L", "PLAIT_OUTPUT")
    return _run(command, "").returncode == 0


def _restore(program: str, lines: list[str]) -> None:
    done = _run((f"{program}-restore", "-w", "5", "--noflush"), "\n".join(lines) + "\n")
    if done.returncode:
        raise NotSet(f"{program}-restore: status {done.returncode}: {done.stderr.strip()[-500:]}")


def _run(command: tuple[str, ...], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except FileNotFoundError:
        raise NotSet(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotSet(f"{command[0]} does not end") from None


def _has_ipv6() -> bool:
    """Whether an interface of the namespace that this thread is in has an IPv6 address for more than its own link."""
    try:
        lines = Path("/proc/thread-self/net/if_inet6").read_text().splitlines()
    except OSError:
        return False
    return any(line.split()[3] == _GLOBAL_SCOPE for line in lines)


def _add_passthrough() -> None:
    address = socket.inet_pton(socket.AF_INET6, _PASSTHROUGH)
    request = struct.pack("=16sIi", address, 128, _LOOPBACK_INDEX)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            fcntl.ioctl(sock, _SIOCSIFADDR, request)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
