"""Objects are read in several threads at once, from the first on: by sources, and by whoever asks what is on disk."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

# In a process of its own, in which nothing has been read before.
PROGRAM: Final = """
import sys, threading
from xds.decoders.shape.decode import Place, decode_object
from xds.kinds.registry import KINDS
from xds.model.refs import Origin

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)

def read():
    together.wait()
    for struct in KINDS:
        kind = struct.KIND
        plain = {"apiVersion": kind.api_versions[0], "kind": kind.name, "metadata": {"name": "a"}, "spec": {}}
        decode_object(plain, Place(Origin("a")))

threads = [threading.Thread(target=read) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_objects_are_read_in_threads() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
