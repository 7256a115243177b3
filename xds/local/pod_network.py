"""A pod's own namespaces: the process that holds them, its link to the node, its resolver files, its rules."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from xds.local.commands import User, child_of, inside_network, inside_pod, run
from xds.local.names import DOMAIN
from xds.local.node import RUN_DIR, Node, expect_ready, load_rules
from xds.local.pods import PodSpec
from xds.model.interception import Interception, interception, rules
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef

# $1 host name, $2 folder of the pod's files. Bind mounts change nothing outside: the mount namespace is the pod's own.
_SCRIPT: Final = """
set -e
trap '' CHLD
bind() { if [ -e "$2" ]; then mount --bind "$1" "$2"; fi; }
bind "$2/resolv.conf" /etc/resolv.conf
bind "$2/hosts" /etc/hosts
bind /run/plait/nsswitch.conf /etc/nsswitch.conf
if [ -d /run/nscd ]; then mount -t tmpfs tmpfs /run/nscd; fi
echo "$1" > /proc/sys/kernel/hostname
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
ip link set lo up
echo ready
exec sleep infinity
"""
_HOSTNAME_LIMIT: Final = 63


@dataclass(slots=True)
class PodNamespaces:
    """The namespaces of one pod.

    ``holder`` is the process that keeps them and ``handle`` a pidfd of it, ``namespace`` a descriptor of the network's.
    """

    process: asyncio.subprocess.Process
    holder: int
    handle: int
    namespace: int
    addresses: tuple[str, ...]

    @property
    def env(self) -> Mapping[str, str]:
        """Nothing: containers find here what they find in a cluster."""
        return {}

    def command(self, user: User, words: Sequence[str], directory: Path) -> tuple[str, ...]:
        """The command as run in all of the pod's namespaces by that user."""
        return inside_pod(self.holder, user, words, str(directory))

    async def intercept(self, what: Interception) -> None:
        """Send the pod's traffic through its sidecar, for each of its address families."""
        for address in self.addresses:
            version = ip_address(address).version
            await load_rules(self.holder, rules(what, version), version)

    async def close(self) -> None:
        """Kill every process of the pod and free its namespaces; returns when none is left."""
        if self.handle < 0:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        await self.process.wait()
        os.close(self.handle)
        os.close(self.namespace)
        self.handle = self.namespace = -1


async def open_pod(node: Node, spec: PodSpec, number: int, addresses: tuple[str, ...], resolver: str) -> PodNamespaces:
    """Namespaces for a pod, linked to the node and with a resolver.

    ``number`` makes the link's name and must be unlike that of every other pod alive. CommandFailed when refused.
    """
    folder = f"pods/{spec.namespace}.{spec.name}"
    node.write(f"{folder}/resolv.conf", resolv_conf(spec.namespace, resolver))
    node.write(f"{folder}/hosts", hosts(spec, addresses))
    into_node = ("nsenter", f"--target={node.pid}", "--mount", "--net", "--pid", "--ipc")
    apart = ("unshare", "--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc")
    process = await asyncio.create_subprocess_exec(
        *(*into_node, *apart, "sh", "-c", _SCRIPT, "sh", hostname(spec), str(RUN_DIR / folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    await expect_ready(process)
    holder = child_of(child_of(process.pid))
    namespace = os.open(f"/proc/{holder}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    pod = PodNamespaces(process, holder, os.pidfd_open(holder), namespace, addresses)
    try:
        await _link(node, pod, number, resolver)
    except BaseException:
        await pod.close()
        raise
    return pod


async def _link(node: Node, pod: PodNamespaces, number: int, gateway: str) -> None:
    """Make the veth pair: in the node a route to each of the pod's addresses, in the pod a default route."""
    link = f"pod{number}"
    outside = [f"link add {link} type veth peer name eth0 netns {pod.holder}", f"link set {link} up"]
    inside = ["link set eth0 up"]
    for address in pod.addresses:
        if ":" in address:
            outside += [f"-6 address add fe80::1/64 dev {link} nodad", f"-6 route add {address}/128 dev {link}"]
            inside += [f"-6 address add {address}/128 dev eth0 nodad", "-6 address add ::6/128 dev lo nodad"]
            inside += ["-6 route add default via fe80::1 dev eth0"]
        else:
            outside += [f"route add {address}/32 dev {link} src {gateway}"]
            inside += [f"address add {address}/32 dev eth0", f"route add {gateway}/32 dev eth0"]
            inside += [f"route add default via {gateway} dev eth0"]
    await _ip(node.pid, outside)
    await _ip(pod.holder, inside)


async def _ip(pid: int, lines: list[str]) -> None:
    """Run lines of the ``ip`` program in a network namespace, one process for each address family."""
    for family in ("-4", "-6"):
        chosen = [line.removeprefix("-6 ") for line in lines if line.startswith("-6 ") == (family == "-6")]
        if chosen:
            await run(inside_network(pid, ("ip", family, "-batch", "-")), "\n".join(chosen) + "\n")


def hostname(spec: PodSpec) -> str:
    """The pod's host name: the one it asks for, else its name, cut to what the kernel takes."""
    return (spec.hostname or spec.name)[:_HOSTNAME_LIMIT]


def intercepted(spec: PodSpec, resolver: str, found: Problems) -> Interception | None:
    """What a pod's annotations say goes through its sidecar, never its questions to ``resolver``; None with a fault."""
    at = FieldRef(ObjectRef("", "Pod", spec.namespace, spec.name)) / "metadata.annotations"
    what = interception(spec.annotations, at, found)
    if what is None:
        return None
    own = f"{resolver}/{ip_address(resolver).max_prefixlen}"
    return replace(what, excluded_networks=(*what.excluded_networks, own))


def resolv_conf(namespace: str, resolver: str) -> str:
    """The resolver file of a pod, as a kubelet writes it."""
    search = f"{namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
    return f"nameserver {resolver}\nsearch {search}\noptions ndots:5\n"


def hosts(spec: PodSpec, addresses: tuple[str, ...]) -> str:
    """The hosts file of a pod: loopback, and its own name, which a subdomain makes a full one."""
    name = hostname(spec)
    full = f"{name}.{spec.subdomain}.{spec.namespace}.svc.{DOMAIN} " if spec.subdomain else ""
    own = "".join(f"{address}\t{full}{name}\n" for address in addresses)
    return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{own}"
