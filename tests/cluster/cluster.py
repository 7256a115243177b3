"""The cluster that tests run in."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from xds.sources.kube_config import connect

T = TypeVar("T")
_LOOK_AGAIN_S: Final = 0.2
_ASK: Final = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster by its kubeconfig; all that tests do there goes through its API server."""

    kubeconfig: Path
    program: str  # kubectl's
    node: tuple[str, ...] = ()  # what runs a command on the node; empty where nobody can from here

    def kubectl(
        self, *arguments: str, stdin: str = "", check: bool = True, within_s: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """The run of a kubectl command. Errors: AssertionError with what it said, unless ``check`` is off."""
        command = [self.program, "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=within_s, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}")
        return done

    def apply(self, text: str, namespace: str = "default") -> None:
        """Server-side apply of YAML documents; ``namespace`` is that of objects which name none."""
        self.kubectl("-n", namespace, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def on_node(self, *command: str) -> str:
        """What a command prints on the node. Errors: CalledProcessError."""
        done = subprocess.run([*self.node, *command], check=True, timeout=30, stdout=subprocess.PIPE, text=True)
        return done.stdout

    def get(self, kind: str, name: str = "", namespace: str = "default") -> dict[str, Any]:
        """An object, or without ``name`` the list of all of that kind in the namespace."""
        found: dict[str, Any] = json.loads(
            self.kubectl("-n", namespace, "get", kind, *([name] if name else ()), "-o", "json").stdout
        )
        return found

    def exec(self, pod: str, namespace: str, command: list[str], container: str = "") -> str:
        """What ``command`` prints in a pod; "deployment/NAME" is any pod of that. Errors: AssertionError as kubectl."""
        options = ["-c", container] if container else []
        return self.kubectl("-n", namespace, "exec", pod, *options, "--", *command).stdout

    def fetch(self, url: str, pod: str, namespace: str, container: str = "") -> dict[str, Any]:
        """What an echo at ``url`` answers to a pod of the image plait/echo. Errors: AssertionError when it does not."""
        answer: dict[str, Any] = json.loads(self.exec(pod, namespace, ["python3", "-c", _ASK, url], container))
        return answer

    def rolled_out(self, deployment: str, namespace: str, within_s: float = 60.0) -> None:
        """Return when all pods of a Deployment are available. Errors: AssertionError with the state of its pods."""
        wait = ["rollout", "status", f"deployment/{deployment}", f"--timeout={within_s}s"]
        done = self.kubectl("-n", namespace, *wait, check=False, within_s=within_s + 10)
        if done.returncode:
            pods = self.kubectl("-n", namespace, "get", "pods", "-o", "wide", check=False).stdout
            events = self.kubectl("-n", namespace, "get", "events", "--sort-by=.lastTimestamp", check=False).stdout
            raise AssertionError(f"{done.stdout}{done.stderr}{pods}{events[-2000:]}")

    def until(self, what: str, ask: Callable[[], T | None], within_s: float = 30.0) -> T:
        """The first answer of ``ask`` that is true; while it asserts something false, it is asked again.

        Errors: AssertionError with ``what`` and the last answer or failure, when time is up.
        """
        deadline = time.monotonic() + within_s
        while True:
            last: object
            try:
                if answer := ask():
                    return answer
                last = answer
            except AssertionError as failure:
                last = failure
            if time.monotonic() > deadline:
                raise AssertionError(f"not in {within_s} s: {what}: {last}")
            time.sleep(_LOOK_AGAIN_S)

    def client(self) -> Any:
        """A ``kubernetes.client.ApiClient`` of the administrator."""
        return connect(self.kubeconfig)
