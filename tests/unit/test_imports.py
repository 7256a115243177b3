"""Importing anything of ours runs nothing: no thread, no socket, no process, no file written."""

from __future__ import annotations

import subprocess
import sys

# An effect belongs to the module whose top level is running; those of other people's modules are not ours to judge.
_PROBE = """
import os, pkgutil, sys, threading
from importlib import import_module

sys.dont_write_bytecode = True
WATCHED = ("socket.", "subprocess.", "os.fork", "os.posix_spawn", "os.mkdir", "os.remove", "os.rename", "os.putenv")
found = []

def ours():
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return frame is not None and "site-packages" not in frame.f_code.co_filename and frame.f_code.co_filename

def writes(mode, flags):
    return bool(set(mode or "") & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))

def audit(event, args):
    if event.startswith(WATCHED) or (event == "open" and writes(args[1], args[2])):
        where = ours()
        if where and ("/xds/" in where or "/ca/" in where):
            found.append(f"{where}: {event} {args!r}")

def names(package):
    yield package.__name__
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name == "xds.api" or module.name.endswith("__main__"):
            continue
        yield module.name
        if module.ispkg:
            yield from names(import_module(module.name))

sys.addaudithook(audit)
count = 0
for package in ("xds", "ca"):
    for name in names(import_module(package)):
        import_module(name)
        count += 1
found += [f"thread {thread.name}" for thread in threading.enumerate() if thread is not threading.main_thread()]
print(count, *found, sep="\\n")
"""


def test_importing_every_module_has_no_effect() -> None:
    done = subprocess.run([sys.executable, "-c", _PROBE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, *effects = done.stdout.splitlines()
    assert effects == []
    assert int(count) > 20


def test_the_version_alone_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import xds; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "['xds']"
