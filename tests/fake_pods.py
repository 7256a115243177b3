"""Processes that look like a pod's: in a cgroup with the pod's UID, and in a network namespace of their own."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

CGROUPS: Final = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup"))


class FakePod:
    """A process in a cgroup named like a pod's, in a network namespace of its own or (``host_network``) in ours."""

    def __init__(self, uid: str = "", *, host_network: bool = False) -> None:
        self.uid = uid or str(uuid.uuid4())
        root = next(each for each in CGROUPS if (each / "cgroup.procs").exists())
        self._folders = [root / f"plait-{os.getpid()}", root / f"plait-{os.getpid()}" / f"pod{self.uid}"]
        for folder in self._folders:
            folder.mkdir(exist_ok=True)
        enter = () if host_network else ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$0" "$@"')
        self._process = subprocess.Popen([*enter, "sleep", "600"])
        self.pid = self._process.pid
        wait_for(lambda: Path(f"/proc/{self.pid}/comm").read_text() == "sleep\n")
        (self._folders[-1] / "cgroup.procs").write_text(str(self.pid))

    def run(self, *command: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        """A command in its network."""
        inside = ("nsenter", f"--target={self.pid}", "--net", "setpriv", f"--reuid={user}", f"--regid={user}")
        return subprocess.run(
            [*inside, "--clear-groups", *command], capture_output=True, text=True, check=False, timeout=30
        )

    @property
    def intercepted(self) -> bool:
        """Whether it has the rules."""
        return "PLAIT_OUTPUT" in self.run("iptables-save", "-t", "nat").stdout

    def close(self) -> None:
        """End the process, and take its cgroup away."""
        self._process.kill()
        self._process.wait()
        for folder in reversed(self._folders):
            if not any(each.is_dir() for each in folder.iterdir()):
                wait_for(partial(_removed, folder))


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return not folder.exists()
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    """Return when the condition holds. AssertionError after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
