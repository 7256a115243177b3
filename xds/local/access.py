"""What containers need of the host's files, made reachable for their user without opening anything else."""

from __future__ import annotations

import contextlib
import shlex
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog

import xds
from xds.events import Event
from xds.local.commands import CommandFailed, User, inside_pod, permitted, run, user_for
from xds.local.node import RUN_DIR

log = structlog.get_logger()


async def user_in(node: int, uid: int, folder: Path) -> User:
    """The user for containers in the node's namespaces that can run our Python, and start in ``folder``.

    A Python below ``/root`` is the common case: there the node gets a ``/root`` of its own, which holds the needed
    folders and nothing else. Only where that does not do the user may read everything, which is logged.
    """
    python = (Path(path) for path in (sys.executable, sys.prefix, sys.base_prefix))
    needed = (*python, Path(xds.__file__).parent, folder)
    user = user_for(uid, uid, needed)
    if not user.reads_all:
        return user
    plain = User(uid, uid)
    closed = ways(needed, plain)
    try:
        await _in_mounts(node, _script(closed))
        await run(inside_pod(node, plain, (sys.executable, "-c", "import xds.local.echo"), str(folder)))
    except CommandFailed as error:
        for place in closed:
            with contextlib.suppress(CommandFailed):
                await _in_mounts(node, f"umount -R {shlex.quote(str(place))}")
        log.warning(Event.ACCESS_WIDENED, user=uid, reason=str(error))
        return user
    return plain


def ways(paths: Iterable[Path], user: User) -> dict[Path, tuple[Path, ...]]:
    """By folder that is closed to the user: what it needs below, nothing that is within another of them."""
    found: dict[Path, tuple[Path, ...]] = {}
    for path in sorted({path.resolve() for path in paths}):
        closed = next((part for part in reversed(path.parents) if not permitted(part, user, stat.S_IXOTH)), None)
        if closed is None:
            continue
        known = found.setdefault(closed, ())
        if not any(path.is_relative_to(other) for other in known):
            found[closed] = (*known, path)
    return found


def _script(closed: Mapping[Path, Sequence[Path]]) -> str:
    """Shell commands that lay an empty folder over each of ``closed``, and put what is needed back into it."""
    lines = ["set -e"]
    for place, paths in closed.items():
        kept = [(shlex.quote(f"{RUN_DIR}/way{number}"), shlex.quote(str(path))) for number, path in enumerate(paths)]
        lines += [f"mkdir {aside} && mount --bind {path} {aside}" for aside, path in kept]
        lines.append(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(place))}")
        lines += [f"mkdir -p {path} && mount --move {aside} {path} && rmdir {aside}" for aside, path in kept]
    return "\n".join(lines)


async def _in_mounts(node: int, script: str) -> None:
    await run(("nsenter", f"--target={node}", "--mount", "sh", "-c", script))
