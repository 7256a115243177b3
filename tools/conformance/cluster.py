"""The cluster that the suite runs in: a node of its own, with the definitions of the Gateway API, and Plait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.conformance.images import IMAGES, archive
from xds.controllers.gateway_api.names import CLASS

REPOSITORY: Final = Path(__file__).resolve().parents[2]
_NODE: Final = REPOSITORY / "kind-cluster/node"
_PLAIT: Final = (sys.executable, "-c", "from xds.cli import main; main()")
_SUITE: Final = ("gateway-conformance-infra", "gateway-conformance-app-backend", "gateway-conformance-web-backend")
NAMESPACES: Final = (*_SUITE, "gateway-conformance-mesh", "gateway-conformance-mesh-consumer")


class NoCluster(Exception):
    """The machine cannot run a cluster; the text says why."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster: the folder of the suite's ``programs``, and the environment of the node's scripts."""

    programs: Path
    kubeconfig: Path
    environment: dict[str, str]

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command inside of the node, where the addresses of pods and Services lead somewhere."""
        return ("env", f"NODE_DIR={self.environment['NODE_DIR']}", str(_NODE / "exec"))

    def kubectl(self, *words: str, check: bool = True) -> str:
        """What kubectl prints. Errors: CalledProcessError, unless ``check`` is off."""
        return _output([str(_NODE / "kubectl"), *words], self.environment, check=check)

    def install(self) -> None:
        """Install Plait, and return when its pods are those of the images that are there now."""
        self.kubectl("apply", "--server-side", "-f", str(self.programs / "crds.yaml"))
        before = self.kubectl("-n", "istio-system", "get", "deployment", "plait", "--ignore-not-found", "-o", "name")
        _output([*_PLAIT, "install", "--kubeconfig", str(self.kubeconfig)], self.environment)
        if before:
            self.kubectl("-n", "istio-system", "rollout", "restart", "deployment/plait")
        self.kubectl("-n", "istio-system", "rollout", "status", "deployment/plait", "--timeout=120s")
        for state in ("create", "condition=Accepted"):
            self.kubectl("wait", f"--for={state}", f"gatewayclass/{CLASS}", "--timeout=60s")

    def forget(self) -> None:
        """Delete what an earlier run has left, and return when it is gone: the suite fails where it is going."""
        self.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", "--wait=true")

    def control_plane_log(self) -> str:
        """What the control plane has said."""
        return self.kubectl("-n", "istio-system", "logs", "-l", "app=istiod", "--tail=-1", check=False)


def built() -> Path:
    """The folder of the suite's programs, with the archive of its images. Errors: CalledProcessError."""
    programs = Path(_output([str(REPOSITORY / "tools/gateway-api")], dict(os.environ)).strip())
    archive(programs)
    return programs


def start(*, keep: bool) -> Cluster:
    """A cluster with everything but Plait; the one that runs, where it is to be kept.

    Errors: NoCluster; CalledProcessError.
    """
    programs = built()
    environment = {**os.environ, "NODE_DIR": os.environ.get("NODE_DIR") or str(programs.parent / "conformance-node")}
    subprocess.run([sys.executable, "-m", "tools.images"], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL)
    up = subprocess.run(
        [str(_NODE / "up"), *(["--keep"] if keep else [])], env=environment, stdout=subprocess.PIPE, check=False
    )
    if up.returncode:
        raise NoCluster("the node does not start; it has said why")
    subprocess.run([str(_NODE / "load"), str(programs / IMAGES)], env=environment, check=True)
    return Cluster(programs, Path(up.stdout.decode().strip()), environment)


def stop(cluster: Cluster) -> None:
    """End it."""
    subprocess.run([str(_NODE / "down")], env=cluster.environment, check=True)


def _output(command: Sequence[str], environment: dict[str, str], *, check: bool = True) -> str:
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, check=check)
    return done.stdout.decode()
