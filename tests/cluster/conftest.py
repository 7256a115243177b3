"""One cluster a session: that of KUBECONFIG_UNDER_TEST, else a node on this machine (kind-cluster/node).

The node has both address families unless DUAL_STACK= (empty) says otherwise. KEEP_CLUSTER=1 takes the node that runs,
with new images, and leaves it running.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.cluster import Cluster
from tests.kube.api_server import CACHE

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
_NODE: Final = _REPOSITORY / "kind-cluster/node"
_NOT_HERE: Final = 77  # up's exit status where the machine cannot run a node
_NUMBERS: Final = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster with Plait's images of this clone; the tests are skipped where there can be none."""
    given = os.environ.get("KUBECONFIG_UNDER_TEST")
    if given:
        yield Cluster(Path(given), _kubectl())
        return
    if not (CACHE / "kubelet").exists():
        pytest.skip(f"no cluster: Kubernetes is not built in {CACHE}: `tools/kubernetes node` does it")
    keep = bool(os.environ.get("KEEP_CLUSTER"))
    subprocess.run([sys.executable, "-m", "tools.images"], cwd=_REPOSITORY, check=True)
    command = [str(_NODE / "up"), *(["--keep"] if keep else [])]
    environment = {"DUAL_STACK": "1", **os.environ}
    up = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if up.returncode == _NOT_HERE:
        pytest.skip(f"no cluster: {up.stderr.strip()}")
    try:
        assert up.returncode == 0, up.stderr
        yield Cluster(Path(up.stdout.strip()), _kubectl(), (str(_NODE / "exec"),))
    finally:
        if not keep:
            subprocess.run([_NODE / "down"], check=True)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of a new namespace, deleted after the test; nobody waits for that."""
    name = f"test-{os.getpid()}-{next(_NUMBERS)}"
    cluster.kubectl("create", "namespace", name)
    cluster.until("its service account", lambda: cluster.get("serviceaccount", "default", name))
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def _kubectl() -> str:
    built = CACHE / "kubectl"
    return str(built) if built.exists() else (shutil.which("kubectl") or "kubectl")
