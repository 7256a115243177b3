"""The sidecars of a mesh: their Envoys' own pages, what they have counted, and the workloads they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from xds.audit.seen import COUNTERS, KnownWorkload, Reading, Workloads, reading
from xds.cli.control_plane import ControlPlane, Pages
from xds.cli.failure import Failure, Unreachable
from xds.cli.local_mesh import candidates, needed_mesh
from xds.cli.target import Candidate
from xds.cli.where import Mesh, found

if TYPE_CHECKING:
    from xds.local.state import PodEntry

_STATISTICS: Final = f"/stats?format=prometheus&filter={COUNTERS.replace('|', '%7C')}"
_AT_ONCE: Final = 8


class Envoy(Pages, Protocol):
    """The admin pages of an Envoy."""

    def post(self, path: str) -> tuple[int, bytes]:
        """Status and body of a page that changes something. Errors: Unreachable, Failure."""


class LocalEnvoy:
    """The admin pages of the Envoy of a pod of ``plait up``."""

    def __init__(self, pod: PodEntry) -> None:
        self.name = f"the Envoy of {pod.key}"
        self._pod = pod

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Errors: Unreachable."""
        return self._ask("GET", path)

    def post(self, path: str) -> tuple[int, bytes]:
        """The same of a page that changes something. Errors: Unreachable."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        from xds.local.sidecar import admin_of

        try:
            return admin_of(self._pod, path, method=method)
        except OSError as error:
            raise Unreachable(f"{self.name} does not answer: {error}") from None


def envoys(of: Mesh, namespace: str = "") -> Mapping[Candidate, Envoy]:
    """The admin page of every sidecar of a mesh, or of those of one namespace.

    Errors: Failure where no mesh runs here and no cluster is known.
    """
    from xds.local.state import MeshEntry

    place = found(of) or needed_mesh()
    if isinstance(place, MeshEntry):
        pods = (pod for pod in place.pods if pod.sidecar and namespace in {"", pod.namespace})
        return {known: LocalEnvoy(pod) for known, pod in candidates(pods).items()}
    return place.envoys(namespace)


def known_workloads(to: ControlPlane) -> Workloads:
    """The workloads that the control plane knows. Errors: Failure."""
    answer = to.ask("/debug/workloads")
    try:
        return Workloads(msgspec.convert(answer, list[KnownWorkload]))
    except msgspec.ValidationError as error:
        raise Failure(f"what answers at {to.name} is no control plane of plait: /debug/workloads: {error}") from None


def readings(of: Mesh, namespace: str = "") -> Sequence[Reading]:
    """The counters of every sidecar of a mesh, or of those of one namespace.

    Errors: Failure where there is no mesh, or a sidecar does not answer: who it sees is not known then.
    """
    known = envoys(of, namespace)
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(_reading, known, known.values()))
    except Unreachable as error:
        raise Failure(f"a sidecar does not answer, so it is not known who calls it: {error}") from None


def _reading(pod: Candidate, envoy: Pages) -> Reading:
    statistics = _get(envoy, _STATISTICS).decode(errors="replace")
    uptime = json.loads(_get(envoy, "/server_info")).get("uptime_current_epoch", "0s")
    running = timedelta(seconds=float(str(uptime).removesuffix("s")))
    return reading(pod.namespace, pod.name, statistics, running)


def _get(envoy: Pages, path: str) -> bytes:
    status, body = envoy.get(path)
    if status != 200:
        raise Failure(f"{envoy.name} answered {path} with {status}")
    return body
