"""The file by which other terminals find a running mesh, and the choice of a mesh and of a pod in it.

One JSON file a mesh, readable by its owner only. A file whose process is gone is removed by whoever meets it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from pathlib import Path
from typing import Final

import msgspec

from xds.local.commands import User, inside_pod, started_at
from xds.local.node import RUN_DIR
from xds.local.pods import PodKey

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
WORKLOAD_KINDS: Final = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "deployments": "Deployment",
    "sts": "StatefulSet",
    "statefulset": "StatefulSet",
    "statefulsets": "StatefulSet",
    "job": "Job",
    "jobs": "Job",
    "po": "Pod",
    "pod": "Pod",
    "pods": "Pod",
}


class NotFound(LookupError):
    """No such mesh or pod is running; the text says what is."""


class NotFree(RuntimeError):
    """A mesh cannot have the name it wants."""


class PodEntry(msgspec.Struct, frozen=True):
    """A pod of a running mesh. ``holder`` 0 means that it has no namespaces (the mode without root)."""

    namespace: str
    name: str
    workload: str
    workload_kind: str
    holder: int
    holder_started: int
    addresses: tuple[str, ...]
    sidecar: bool
    uid: int
    reads_all: bool
    folder: str
    env: dict[str, str]

    @property
    def key(self) -> PodKey:
        """The pod's name."""
        return PodKey(self.namespace, self.name)

    def command(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The command as run in the pod by the user of its containers."""
        if not self.holder:
            # Who may read the mesh's file is the user whose mesh it is, so nobody else needs to be become.
            return ("env", f"--chdir={self.folder}", *words)
        return inside_pod(self.holder, User(self.uid, self.uid, self.reads_all), words, self.folder)


class MeshEntry(msgspec.Struct, frozen=True):
    """A running mesh: its process, its node, its sockets by purpose, its pods."""

    name: str
    pid: int
    started: int
    node: int
    sockets: dict[str, str]
    pods: tuple[PodEntry, ...]

    @property
    def alive(self) -> bool:
        """Whether the process that wrote the file still runs."""
        return self.started != 0 and started_at(self.pid) == self.started


def state_folder() -> Path:
    """Where the files are: ``/run/plait`` for root, else the user's own runtime folder.

    Errors: PermissionError where there is none and somebody else has taken its place in ``/tmp``.
    """
    if os.geteuid() == 0:
        return RUN_DIR
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return (Path(runtime) if runtime else own(Path(f"/tmp/plait-{os.geteuid()}"))) / "plait"


def own(folder: Path) -> Path:
    """``folder``, made if need be; what is read in it is run, so nobody else may have written there.

    Errors: PermissionError.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "belongs to somebody else, or others may write there", str(folder))
    return folder


def files_folder(name: str) -> Path:
    """Where a mesh without namespaces keeps its files and sockets."""
    return state_folder() / f"{name}.d"


def claim(name: str, folder: Path) -> int:
    """A descriptor that holds the name for one mesh, until it is given to ``release`` or this process ends.

    Errors: NotFree when another mesh has the name, or it is none.
    """
    if not _NAME.fullmatch(name):
        raise NotFree(f"{name!r} cannot be the name of a mesh: letters, digits, '.', '_' and '-' can")
    folder.mkdir(parents=True, exist_ok=True)
    path = _claim_file(name, folder)
    while True:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(held).st_ino == path.stat().st_ino:
                return held
        except FileNotFoundError:  # released since it was opened
            pass
        except BlockingIOError:
            os.close(held)
            raise NotFree(f"a local mesh {name!r} runs already: give another --mesh") from None
        os.close(held)


def release(name: str, folder: Path, held: int) -> None:
    """Give a name back."""
    _claim_file(name, folder).unlink(missing_ok=True)
    os.close(held)


def _claim_file(name: str, folder: Path) -> Path:
    return folder / f".{name}.lock"


def write(entry: MeshEntry, folder: Path) -> None:
    """Write the mesh's file in one step, so that a reader sees the old or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / f"{entry.name}.json", folder / f".{entry.name}.{entry.pid}"
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(entry))
    draft.replace(path)


def remove(name: str, folder: Path) -> None:
    """Remove the mesh's file; nothing when there is none."""
    (folder / f"{name}.json").unlink(missing_ok=True)


def running(folder: Path) -> tuple[MeshEntry, ...]:
    """All running meshes by name, with the pods that still live. Files of dead ones are removed."""
    found: list[MeshEntry] = []
    for path in sorted(folder.glob("*.json")):
        try:
            entry = msgspec.json.decode(path.read_bytes(), type=MeshEntry)
        except (OSError, msgspec.MsgspecError):
            continue
        if entry.alive:
            living = (pod for pod in entry.pods if pod.holder_started == started_at(pod.holder))
            found.append(msgspec.structs.replace(entry, pods=tuple(living)))
        else:
            with contextlib.suppress(OSError, NotFree):
                path.unlink()
                release(entry.name, folder, claim(entry.name, folder))
    return tuple(found)


def choose(meshes: tuple[MeshEntry, ...], name: str = "") -> MeshEntry:
    """The mesh of that name, or the only one. NotFound when there is none, or more than one and no name."""
    names = ", ".join(mesh.name for mesh in meshes) or "none"
    chosen = [mesh for mesh in meshes if not name or mesh.name == name]
    if len(chosen) == 1:
        return chosen[0]
    if not meshes:
        raise NotFound("no local mesh is running here: start one with `plait up DIR`")
    if name:
        raise NotFound(f"no local mesh {name!r} is running; running: {names}")
    raise NotFound(f"several local meshes are running, say which with --mesh: {names}")


def find_pod(mesh: MeshEntry, namespace: str, target: str) -> PodEntry:
    """The pod ``NAME``, ``pod/NAME``, or the first pod of ``deploy/NAME``, ``sts/NAME``, ``job/NAME``.

    NotFound, with the namespace's pods, when there is none.
    """
    kind, slash, name = target.rpartition("/")
    word = WORKLOAD_KINDS.get(kind.lower(), "") if slash else "Pod"
    here = [pod for pod in mesh.pods if pod.namespace == namespace]
    for pod in sorted(here, key=lambda pod: pod.name):
        same_workload = pod.workload_kind == word and pod.workload == name
        if (word == "Pod" and pod.name == name) or (word != "Pod" and same_workload):
            return pod
    names = ", ".join(sorted(pod.name for pod in here)) or "no pods"
    raise NotFound(f"no {target} in namespace {namespace} of mesh {mesh.name}; there: {names}")
