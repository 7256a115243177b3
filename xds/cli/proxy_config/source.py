"""Where ``proxy-config`` reads: a proxy's own Envoy, else what the control plane sent it, or a dump in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.control_plane import HttpOption, MeshOption, Unreachable, address, ask
from xds.cli.failure import Failure
from xds.cli.local_mesh import candidates, pod_names, running_mesh
from xds.cli.output import Output, OutputOption
from xds.cli.proxy_config.dump import ProxyConfig, from_control_plane, from_envoy, with_provenance
from xds.cli.target import Candidate, NamespaceOption, choose

if TYPE_CHECKING:
    from xds.local.state import PodEntry

_DUMP: Final = "/config_dump?include_eds"
_HOSTS: Final = "/clusters?format=json"


@dataclass(frozen=True, slots=True)
class From:
    """Which proxy, read where, printed how."""

    proxy: Annotated[
        str,
        typer.Argument(
            metavar="PROXY", help="pod, pod.namespace, pod/namespace or deploy/NAME.", autocompletion=pod_names
        ),
    ] = ""
    namespace: NamespaceOption = ""
    file: Annotated[
        Path | None, typer.Option("-f", "--file", help="Read this answer of Envoy's /config_dump instead.")
    ] = None
    sent: Annotated[bool, typer.Option("--sent", help="What the control plane sent, not what Envoy made of it.")] = (
        False
    )
    http: HttpOption = ""
    mesh: MeshOption = ""
    output: OutputOption = Output.TABLE


def read(where: From) -> ProxyConfig:
    """What the proxy has: its own Envoy's answer where it runs on this machine, else what it was sent.

    Errors: Failure when there is no such proxy, or nobody to ask.
    """
    if where.file is not None:
        return from_envoy(_json(where.file.read_bytes(), str(where.file)), {})
    if not where.proxy:
        raise Failure("say which proxy: pod, pod.namespace, pod/namespace or deploy/NAME")
    pod = None if where.sent else _local_pod(where)
    if pod is None:
        return _sent(where)
    try:
        config = from_envoy(_admin(pod, _DUMP), _admin(pod, _HOSTS))
    except OSError as error:
        typer.echo(f"plait: note: its Envoy does not answer ({error}), so this is what it was sent", err=True)
        return _sent(where)
    try:
        return with_provenance(config, _sent(where))
    except Failure:
        return config


def _local_pod(where: From) -> PodEntry | None:
    """The pod with a sidecar in a local mesh; None when none runs, or another control plane is asked for."""
    if where.http:
        return None
    mesh = running_mesh(where.mesh)
    if mesh is None:
        return None
    pods = candidates(pod for pod in mesh.pods if pod.sidecar)
    return pods[choose(where.proxy, where.namespace, pods)]


def _admin(pod: PodEntry, path: str) -> dict[str, Any]:
    """The JSON that the pod's Envoy answers. Errors: OSError when it does not; Failure for another answer."""
    from xds.local.sidecar import admin_of

    status, body = admin_of(pod, path)
    if status != 200:
        raise Failure(f"the Envoy of {pod.key} answered {path} with {status}")
    return _json(body, f"the Envoy of {pod.key}")


def _sent(where: From) -> ProxyConfig:
    place = address(where.http, where.mesh)
    proxies = ask(place, "/debug/syncz") or []
    known = {Candidate(one["namespace"], one["name"], one["workload"]): one["proxy"] for one in proxies}
    chosen = known[choose(where.proxy, where.namespace, known)]
    answer = ask(place, "/debug/config_dump", proxy=chosen)
    if answer is None:
        raise Unreachable(f"{where.proxy} has just disconnected from the control plane at {place}")
    return from_control_plane(answer["resources"])


def _json(text: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(f"{source} gives no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"{source} gives no config dump, but a {type(found).__name__}")
    return found
