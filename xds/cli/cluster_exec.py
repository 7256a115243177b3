"""A command in a container of a cluster, over the API server's exec stream."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

from xds.cli.cluster import Cluster, streamed
from xds.cli.failure import Failure
from xds.kinds.pod import Pod

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
_STDIN, _STDOUT, _STDERR, _ERROR, _RESIZE = range(5)
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Session:
    """What is run in which container; ``container`` empty is the one that kubectl would take."""

    pod: Pod
    words: tuple[str, ...]
    container: str = ""
    stdin: bool = False
    tty: bool = False


def run(cluster: Cluster, session: Session) -> int:
    """The exit status of the command, whose output is passed on to ours as it comes.

    Errors: Unreachable; Failure when the cluster refuses, or the command could not be started.
    """
    from kubernetes import client

    terminal = session.tty and sys.stdin.isatty()
    meta = session.pod.metadata
    stream = streamed(
        f"exec in pod {meta.namespace}/{meta.name}",
        client.CoreV1Api(cluster.client()).connect_get_namespaced_pod_exec,
        meta.name,
        meta.namespace,
        command=list(session.words),
        container=_container(session),
        stdin=session.stdin,
        stdout=True,
        stderr=not terminal,
        tty=terminal,
        binary=True,
        _preload_content=False,
    )
    try:
        with _raw(terminal):
            if terminal:
                size = shutil.get_terminal_size()
                stream.write_channel(_RESIZE, json.dumps({"Width": size.columns, "Height": size.lines}).encode())
            _pass_on(stream, session.stdin)
        return _status(stream.read_channel(_ERROR), session)
    finally:
        stream.close()


def _container(session: Session) -> str:
    first = session.pod.spec.containers[0].name if session.pod.spec.containers else ""
    return session.container or session.pod.metadata.annotations.get(_DEFAULT_CONTAINER, "") or first


def _pass_on(stream: Any, stdin: bool) -> None:
    """Copy between our standard streams and the command's until it has ended."""
    reading = stdin
    while stream.is_open():
        sources = [stream.sock.sock, *([sys.stdin.fileno()] if reading else ())]
        pending = getattr(stream.sock.sock, "pending", lambda: 0)()
        ready = sources[:1] if pending else select.select(sources, (), ())[0]
        if stream.sock.sock in ready:
            stream.update(timeout=0)
            for channel, own in ((_STDOUT, sys.stdout.buffer), (_STDERR, sys.stderr.buffer)):
                own.write(stream.read_channel(channel))
                own.flush()
        elif ready:
            text = os.read(sys.stdin.fileno(), _CHUNK)
            if text:
                stream.write_channel(_STDIN, text)
            else:
                reading = False
                stream.close_channel(_STDIN)


@contextlib.contextmanager
def _raw(terminal: bool) -> Iterator[None]:
    """Keys go to the command as they are typed."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _status(told: bytes, session: Session) -> int:
    """What the API server says at the end: a Status whose causes hold the exit status."""
    status = yaml.safe_load(told) if told else None
    if not isinstance(status, dict):
        raise Failure(f"the connection to pod {session.pod.metadata.name} broke before the command had ended")
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes", ()):
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise Failure(f"the command did not run: {status.get('message', 'no reason was given')}")
