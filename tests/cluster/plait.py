"""Plait in the cluster that tests run in: its commands, and installing it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from tests.cluster.cluster import Cluster

PLAIT: Final = (sys.executable, "-c", "from xds.cli import main; main()")


def plait(cluster: Cluster, *arguments: str, within_s: float = 120.0) -> str:
    """What a command prints. Errors: AssertionError with what it said."""
    done = run(cluster, *arguments, within_s=within_s)
    assert done.returncode == 0, f"plait {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def refused(cluster: Cluster, *arguments: str) -> str:
    """What a command says that does not do what it was told. Errors: AssertionError where it does."""
    done = run(cluster, *arguments)
    assert done.returncode, f"plait {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stderr + done.stdout


def run(cluster: Cluster, *arguments: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """The run of a command, whatever its exit status."""
    command = [*PLAIT, *arguments, "--kubeconfig", str(cluster.kubeconfig)]
    return subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)


@contextlib.contextmanager
def installed(cluster: Cluster, *options: str) -> Iterator[None]:
    """A control plane, for as long as the test wants it; the log of its pods is shown where the test fails."""
    plait(cluster, "install", *options)
    try:
        yield
    finally:
        print(cluster.kubectl("-n", "istio-system", "logs", "-l", "app=istiod", "--tail=200", check=False).stdout)
        revision = options[options.index("--revision") + 1] if "--revision" in options else "default"
        plait(cluster, "uninstall", "--force", "--revision", revision)
