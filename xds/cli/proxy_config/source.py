"""Where ``proxy-config`` reads: a proxy's own Envoy, else what the control plane sent it, or a dump in a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.connected import connected
from xds.cli.control_plane import Pages, control_plane
from xds.cli.failure import Failure, Unreachable
from xds.cli.local_mesh import pod_names
from xds.cli.output import Output, OutputOption
from xds.cli.proxy_config.dump import ProxyConfig, from_control_plane, from_envoy, with_provenance
from xds.cli.target import Candidate, NamespaceOption, choose
from xds.cli.where import Where, found

if TYPE_CHECKING:
    from xds.cli.sidecars import Envoy

_DUMP: Final = "/config_dump?include_eds"
_HOSTS: Final = "/clusters?format=json"


@dataclass(frozen=True, slots=True)
class From(Where):
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
    output: OutputOption = Output.TABLE


def read(where: From) -> ProxyConfig:
    """What the proxy has: its own Envoy's answer where it runs on this machine, else what it was sent.

    Errors: Failure when there is no such proxy, or nobody to ask.
    """
    if where.file is not None:
        return from_envoy(_json(where.file.read_bytes(), str(where.file)), {})
    if not where.proxy:
        raise Failure("say which proxy: pod, pod.namespace, pod/namespace or deploy/NAME")
    own = None if where.sent else _envoy_of(where)
    if own is None:
        return _sent(where)
    try:
        config = from_envoy(asked(own, _DUMP), asked(own, _HOSTS))
    except Unreachable as error:
        typer.echo(f"plait: note: {error}; so this is what it was sent", err=True)
        return _sent(where)
    try:
        return with_provenance(config, _sent(where))
    except Failure:
        return config


def envoy(where: From) -> Envoy:
    """The proxy's own Envoy. Errors: Failure when there is no such proxy, or its Envoy cannot be asked."""
    if not where.proxy:
        raise Failure("say which proxy: pod, pod.namespace, pod/namespace or deploy/NAME")
    known = None if where.file is not None or where.sent else _envoy_of(where)
    if known is None:
        raise Failure("only a proxy's own Envoy knows that: of a local mesh on this machine, or in a cluster")
    return known


def _envoy_of(where: From) -> Envoy | None:
    """The Envoy of the pod, in a local mesh or a cluster; None where neither is, or another control plane is asked."""
    from xds.cli.sidecars import envoys

    if where.http or found(where) is None:
        return None
    known = envoys(where, where.namespace)
    return known[choose(where.proxy, where.namespace, known)]


def asked(envoy: Pages, path: str) -> dict[str, Any]:
    """The JSON that an Envoy answers. Errors: Unreachable; Failure for another answer."""
    status, body = envoy.get(path)
    if status != 200:
        raise Failure(f"{envoy.name} answered {path} with {status}")
    return _json(body, envoy.name)


def _sent(where: From) -> ProxyConfig:
    to = control_plane(where)
    known = {Candidate(one["namespace"], one["name"], one["workload"]): one for one in connected(to)}
    chosen = known[choose(where.proxy, where.namespace, known)]
    answer = to.one(chosen.get("replica", to.name)).ask("/debug/config_dump", proxy=chosen["proxy"])
    if answer is None:
        raise Unreachable(f"{where.proxy} has just disconnected from the control plane at {to.name}")
    return from_control_plane(answer["resources"])


def _json(text: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise Failure(f"{source} gives no JSON: {error}") from None
    if not isinstance(found, dict):
        raise Failure(f"{source} gives no config dump, but a {type(found).__name__}")
    return found
