"""An injected pod, run as a kubelet would: the init container's command, then Envoy with the arguments of istio-proxy.

In namespaces of its own: a network with a link to a *node*, and a ``/run`` in which the projected volume is laid out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final

from tests.envoy.loopback import until
from xds.local.netns import http_request
from xds.local.sidecar import installed_envoy

ADDRESS: Final = "10.77.5.2"
NODE: Final = "10.77.5.1"
VARIABLES: Final[Mapping[str, str]] = {
    "POD_NAME": "web-7c9f4d8b5-x2x4q",
    "POD_NAMESPACE": "shop",
    "INSTANCE_IP": ADDRESS,
    "INSTANCE_IPS": ADDRESS,
    "SERVICE_ACCOUNT": "web",
    "NODE_NAME": "node-1",
    "HOST_IP": NODE,
}
_REFERENCE: Final = re.compile(r"\$(\$|\(([A-Za-z0-9_.-]+)\))")
_POD: Final = """\
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/secrets/plait
touch /run/envoy
mount --bind "$1" /run/envoy
mount -o remount,bind,ro /
ip link set lo up
echo ready
exec sleep infinity
"""
_NODE: Final = """\
set -e
ip link set lo up
ip link add pod0 type veth peer name eth0 netns "$1"
ip address add 10.77.5.1/24 dev pod0
ip link set pod0 up
nsenter --target "$1" --net ip address add 10.77.5.2/24 dev eth0
nsenter --target "$1" --net ip link set eth0 up
echo ready
exec sleep infinity
"""


def expanded(argument: str, variables: Mapping[str, str] = VARIABLES) -> str:
    """The argument as the kubelet passes it on: ``$(NAME)`` replaced where NAME is known, ``$$`` is ``$``."""

    def value(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else variables.get(match[2], match[0])

    return _REFERENCE.sub(value, argument)


def container(pod: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A container of a pod, init or not."""
    every = [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    return next(each for each in every if each["name"] == name)


@dataclass(slots=True)
class InjectedPod:
    """A pod and its node; ``namespace`` and ``node`` are descriptors of their networks."""

    pod: Mapping[str, Any]
    holder: int
    node_holder: int
    namespace: int
    node: int
    _written: count[int] = field(default_factory=count)

    async def init(self) -> None:
        """Run the command of the init container, with the rights that it asks for."""
        made = container(self.pod, "istio-init")
        words = [expanded(word) for word in (*made["command"], *made["args"])]
        rights = ",".join(["-all", *(f"+{each.lower()}" for each in made["securityContext"]["capabilities"]["add"])])
        own = ("setpriv", f"--bounding-set={rights}", "--no-new-privs", *words)
        process = await asyncio.create_subprocess_exec(
            *("nsenter", f"--target={self.holder}", "--mount", "--net"),
            *own,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **{each["name"]: each["value"] for each in made["env"]}},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()

    @contextlib.asynccontextmanager
    async def envoy(self, log: Path) -> AsyncIterator[None]:
        """Run Envoy as istio-proxy says: as its user, without any right."""
        made = container(self.pod, "istio-proxy")
        assert made["command"] == ["/usr/local/bin/envoy"]
        user = made["securityContext"]
        ids = (f"--reuid={user['runAsUser']}", f"--regid={user['runAsGroup']}", "--clear-groups")
        none = ("--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--no-new-privs")
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *("nsenter", f"--target={self.holder}", "--mount", "--net", "setpriv", *ids, *none, "/run/envoy"),
                *(expanded(word) for word in made["args"]),
                stderr=output,
                stdout=output,
                env={},
            )
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write the projected volume anew, as the kubelet does: a folder, then one rename."""
        folder = Path(f"/proc/{self.holder}/root/run/secrets/plait")
        version = folder / f"..{next(self._written)}"
        version.mkdir()
        for name, content in files.items():
            (version / name).write_bytes(content)
            if not (folder / name).is_symlink():
                (folder / name).symlink_to(f"..data/{name}")
        draft = folder / "..data_tmp"
        draft.symlink_to(version.name)
        draft.replace(folder / "..data")

    def projected(self, token: str, roots: bytes) -> dict[str, bytes]:
        """What the kubelet would write of the pod's volume, with that token and those roots."""
        volume = next(each for each in self.pod["spec"]["volumes"] if each["name"] == "plait-credentials")
        files: dict[str, bytes] = {}
        for source in volume["projected"]["sources"]:
            if "serviceAccountToken" in source:
                files[source["serviceAccountToken"]["path"]] = token.encode()
            for item in source.get("configMap", {}).get("items", ()):
                files[item["path"]] = roots
            for item in source.get("downwardAPI", {}).get("items", ()):
                key = item["fieldRef"]["fieldPath"].removeprefix("metadata.annotations['").removesuffix("']")
                files[item["path"]] = self.pod["metadata"]["annotations"][key].encode()
        return files

    async def get(self, port: int, path: str, *, method: str = "GET", inside: bool = False) -> tuple[int, str]:
        """Status and body of a request from the node (or from inside the pod) to the pod."""
        where = self.namespace if inside else self.node
        address = "127.0.0.1" if inside else ADDRESS
        status, body = await asyncio.to_thread(http_request, where, method, address, port, path)
        return status, body.decode()

    async def ready(self) -> None:
        """Return when Envoy says that it is."""

        async def is_ready() -> bool:
            return (await self.get(15021, "/healthz/ready"))[0] == 200

        await until(is_ready, "a ready Envoy")


@contextlib.asynccontextmanager
async def running(pod: Mapping[str, Any]) -> AsyncIterator[InjectedPod]:
    """Namespaces for the pod; nothing runs in them yet. All that does is ended, and they are gone, afterwards."""
    async with contextlib.AsyncExitStack() as stack:
        envoy = str(installed_envoy())
        holder = await stack.enter_async_context(_holder(("--net", "--mount"), _POD, envoy))
        node = await stack.enter_async_context(_holder(("--net",), _NODE, str(holder)))
        descriptors = [os.open(f"/proc/{each}/ns/net", os.O_RDONLY | os.O_CLOEXEC) for each in (holder, node)]
        for each in descriptors:
            stack.callback(os.close, each)
        yield InjectedPod(pod, holder, node, descriptors[0], descriptors[1])


@contextlib.asynccontextmanager
async def _holder(kinds: tuple[str, ...], script: str, argument: str) -> AsyncIterator[int]:
    """A process that keeps namespaces of those kinds, set up by the script; its id."""
    words = ("unshare", *kinds, "sh", "-c", script, "sh", argument)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 10) == b"ready\n"
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder with a short name that every user may look into: for sockets."""
    with tempfile.TemporaryDirectory(prefix="plait-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
