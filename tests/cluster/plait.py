"""Plait in the cluster that tests run in: its commands, and installing it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from tests.cluster.cluster import Cluster

_PLAIT: Final = (sys.executable, "-c", "from xds.cli import main; main()")


def plait(cluster: Cluster, *arguments: str, within_s: float = 120.0) -> str:
    """What a command prints. Errors: AssertionError with what it said."""
    command = [*_PLAIT, *arguments, "--kubeconfig", str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, check=False)
    assert done.returncode == 0, f"plait {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def installed(cluster: Cluster, *options: str) -> Iterator[None]:
    """A control plane, for as long as the test wants it; the log of its pods is shown where the test fails."""
    plait(cluster, "install", *options)
    try:
        yield
    finally:
        print(cluster.kubectl("-n", "istio-system", "logs", "-l", "app=istiod", "--tail=200", check=False).stdout)
        plait(cluster, "uninstall", "--force")
