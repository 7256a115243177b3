"""What the sidecars of a local mesh have counted, and the workloads they belong to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from xds.audit.seen import COUNTERS, KnownWorkload, Reading, Workloads, reading
from xds.cli.control_plane import ask
from xds.cli.failure import Failure
from xds.cli.local_mesh import needed_mesh

if TYPE_CHECKING:
    from xds.local.state import PodEntry

_STATISTICS: Final = f"/stats?format=prometheus&filter={COUNTERS.replace('|', '%7C')}"


def known_workloads(where: str) -> Workloads:
    """The workloads that the control plane knows. Errors: Failure."""
    answer = ask(where, "/debug/workloads")
    try:
        return Workloads(msgspec.convert(answer, list[KnownWorkload]))
    except msgspec.ValidationError as error:
        raise Failure(f"what answers at {where} is no control plane of plait: /debug/workloads: {error}") from None


def readings(mesh: str, namespace: str = "") -> Sequence[Reading]:
    """The counters of every sidecar of the mesh of ``plait up``, or of those of one namespace.

    Errors: Failure where no mesh runs here, or a sidecar does not answer: who it sees is not known then.
    """
    pods = [pod for pod in needed_mesh(mesh).pods if pod.sidecar and namespace in {"", pod.namespace}]
    try:
        return [_reading(pod) for pod in pods]
    except OSError as error:
        raise Failure(f"a sidecar does not answer, so it is not known who calls it: {error}") from None


def _reading(pod: PodEntry) -> Reading:
    statistics = _get(pod, _STATISTICS).decode(errors="replace")
    uptime = json.loads(_get(pod, "/server_info")).get("uptime_current_epoch", "0s")
    running = timedelta(seconds=float(str(uptime).removesuffix("s")))
    return reading(pod.namespace, pod.name, statistics, running)


def _get(pod: PodEntry, path: str) -> bytes:
    from xds.local.sidecar import admin_of

    status, body = admin_of(pod, path)
    if status != 200:
        raise Failure(f"the Envoy of {pod.key} answered {path} with {status}")
    return body
