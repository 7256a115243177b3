"""Where the control plane spends its time: py-spy's samples, told as the functions that cost most."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_RATE: Final = 200
_SHOWN: Final = 25
Started = Callable[[int], None]


@contextmanager
def of_server(path: Path | None, say: Callable[[str], None]) -> Iterator[Started]:
    """A function to be called with the process id of each control plane; its stacks go to ``path`` (collapsed form).

    Nothing happens when ``path`` is None. The last control plane's samples are kept.
    """
    recording: list[subprocess.Popen[bytes]] = []

    def started(pid: int) -> None:
        if path is None:
            return
        program = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
        if program is None:
            say("no profile: py-spy is not installed (pip install py-spy)")
            return
        command = [program, "record", "--pid", str(pid), "--format", "raw", "--output", str(path)]
        recording.append(subprocess.Popen([*command, "--rate", str(_RATE), "--nonblocking"], stdout=subprocess.DEVNULL))

    yield started
    for each in recording:
        if each.poll() is None:
            each.send_signal(signal.SIGINT)
        each.wait()
    if recording and path is not None and path.exists():
        for line in heaviest(path.read_text()):
            say(line)


def heaviest(stacks: str) -> list[str]:
    """The functions that cost most, by themselves and with what they call, of stacks in collapsed form."""
    alone: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for line in stacks.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [frame.rpartition(":")[0] or frame for frame in stack.split(";")]
        total += int(count)
        alone[frames[-1]] += int(count)
        within.update(dict.fromkeys(frames, int(count)))
    share = 100 / max(total, 1)
    lines = ["by itself:"] + [f"{number * share:5.1f} %  {name}" for name, number in alone.most_common(_SHOWN)]
    return [*lines, "with callees:"] + [f"{n * share:5.1f} %  {name}" for name, n in within.most_common(2 * _SHOWN)]
