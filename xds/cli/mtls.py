"""``plait mtls``: who still talks plaintext, and the ratchet that makes a namespace STRICT when nobody does."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml

from xds.audit.plaintext import StillPlaintext, compared, totals
from xds.audit.seen import KnownWorkload, Reading, Workloads
from xds.cli.control_plane import ControlPlane, control_plane
from xds.cli.durations import duration, shown
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_table, stdout
from xds.cli.sidecars import known_workloads, readings
from xds.cli.where import Installed

app = typer_app(help="Mutual TLS: who still talks plaintext, and how to end it.")
app.callback(invoke_without_command=True)(show_help)

NamespaceOption = Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="Only this namespace.")]
_COLUMNS: Final = {
    "NAMESPACE": "namespace",
    "WORKLOAD": "workload",
    "PODS": "pods",
    "MODE": "mode",
    "PORTS": "ports",
    "PLAINTEXT": "plaintext",
    "FROM": "from",
}


@app.command()
@grouped
def status(where: Installed, namespace: NamespaceOption = "", output: OutputOption = Output.TABLE) -> None:
    """What every workload takes, and who has called it in plaintext since its sidecars started.

    Requests count for HTTP, connections for the rest. What has no sidecar takes plaintext from everybody.
    """
    workloads = known_workloads(control_plane(where))
    known = readings(where, namespace)
    callers = compared({}, totals(known, workloads), workloads)
    rows = [_row(pods, callers) for pods in workloads.grouped(namespace).values()]
    print_table(_COLUMNS, rows, output)
    if output is Output.TABLE and known:
        stdout().print(f"counted since the sidecars started: {_running(known)}", style="dim", soft_wrap=True)


def _row(pods: Sequence[KnownWorkload], callers: Iterable[StillPlaintext]) -> Mapping[str, Any]:
    first = pods[0]
    own = [each for each in callers if each.who.destination == first.label]
    modes = sorted({each.mode if each.sidecar else "no sidecar" for each in pods})
    return {
        "namespace": first.namespace,
        "workload": first.workload,
        "pods": len(pods),
        "mode": ", ".join(modes),
        "ports": [f"{port}: {mode}" for port, mode in sorted(first.port_modes.items())],
        "plaintext": sum(each.times for each in own) if first.sidecar else None,
        "from": [f"{each.label} {each.times}" for each in own],
        "callers": [_plain(each) for each in own],
    }


@app.command()
@grouped
def strict(
    namespace: Annotated[str, typer.Argument(metavar="NAMESPACE", help="The namespace that is to be STRICT.")],
    where: Installed,
    window: Annotated[str, typer.Option("--for", metavar="DURATION", help="How long to watch for plaintext.")] = "10s",
    write: Annotated[
        Path | None, typer.Option("--write", metavar="DIR", help="Write the manifest into this folder.")
    ] = None,
    output: OutputOption = Output.YAML,
) -> None:
    """The PeerAuthentication that makes a namespace STRICT, when nobody talks plaintext to it; else exit status 1.

    In the way stands who calls in plaintext while it is watched, or has called since the sidecars started and still
    runs without a sidecar of its own. Who calls more rarely than that is not seen: watch for longer then.
    """
    length = duration(window, "--for")
    asked = control_plane(where)
    workloads = known_workloads(asked)
    if namespace not in {each.namespace for each in workloads.all}:
        raise Failure(f"no workload is in namespace {namespace}")
    callers, known = _watched(where, namespace, workloads, length)
    _report(callers, known, length)
    if not known:
        typer.echo(f"{namespace} is not made STRICT: it has no sidecar that could take mutual TLS", err=True)
        raise typer.Exit(1)
    if any(each.stands_in_the_way for each in callers):
        typer.echo(f"{namespace} is not made STRICT: the callers above would be refused", err=True)
        raise typer.Exit(1)
    _hand_over(namespace, _existing(asked, namespace), write, output)


def _watched(
    where: Installed, namespace: str, workloads: Workloads, length: timedelta
) -> tuple[list[StillPlaintext], Sequence[Reading]]:
    before = totals(readings(where, namespace), workloads)
    time.sleep(length.total_seconds())
    known = readings(where, namespace)
    return compared(before, totals(known, workloads), workloads), known


def _report(callers: Iterable[StillPlaintext], known: Sequence[Reading], length: timedelta) -> None:
    """To stderr: standard output is the manifest."""
    for each in callers:
        verdict = "in the way" if each.stands_in_the_way else "not seen again"
        port = f" port {each.who.port}" if each.who.port else ""
        times = f"{each.in_window} times within {shown(length)}, {each.times} since the sidecars started"
        typer.echo(f"plaintext ({verdict}): {each.label} to {each.who.destination}{port}: {times}", err=True)
    typer.echo(f"watched for {shown(length)}; {_running(known)}", err=True)


def _running(known: Sequence[Reading]) -> str:
    if not known:
        return "there is no sidecar"
    shortest, longest = min(each.running for each in known), max(each.running for each in known)
    return f"{len(known)} sidecars, which have run for {shown(shortest)} to {shown(longest)}"


def _existing(asked: ControlPlane, namespace: str) -> list[str]:
    objects = asked.ask("/debug/registryz") or []
    here = (one for one in objects if one["kind"] == "PeerAuthentication" and one["namespace"] == namespace)
    return [f"{one['name']} ({one['origin']})" for one in here]


def _hand_over(namespace: str, existing: Sequence[str], write: Path | None, output: Output) -> None:
    manifest = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": namespace},
        "spec": {"mtls": {"mode": "STRICT"}},
    }
    if existing:
        typer.echo(f"note: {namespace} has PeerAuthentications, which count too: {', '.join(existing)}", err=True)
    if write is None:
        print_document(manifest, Output.JSON if output is Output.JSON else Output.YAML)
        return
    path = write / f"peer-authentication-{namespace}.yaml"
    try:
        with path.open("x") as file:
            yaml.safe_dump(manifest, file, sort_keys=False)
    except FileExistsError:
        raise Failure(f"{path} is there already") from None
    typer.echo(str(path))


def _plain(each: StillPlaintext) -> Mapping[str, Any]:
    return {
        "address": each.who.address,
        "caller": each.label,
        "port": each.who.port,
        "times": each.times,
        "remains": each.remains,
    }
