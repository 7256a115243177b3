"""``plait proxy-status``: what each proxy was sent and has accepted, type by type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from xds.cli.connected import Proxy, connected
from xds.cli.control_plane import control_plane
from xds.cli.lazy import typer_app
from xds.cli.local_mesh import pod_names
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_table, stdout
from xds.cli.target import Candidate, NamespaceOption, choose
from xds.cli.where import Where

app = typer_app()

_TYPES: Final = ("cds", "lds", "eds", "rds", "vhds", "ecds", "sds")
_COLUMNS: Final = {
    "NAME": "name",
    "CLUSTER": "cluster",
    **{name.upper(): name for name in _TYPES},
    "VERSION": "envoy",
    "SINCE": "since",
}
_TYPE_COLUMNS: Final = {
    "TYPE": "type",
    "STATE": "state",
    "RESOURCES": "resources",
    "VERSION": "version",
    "SINCE": "since",
}
_NOT_SENT: Final = "NOT SENT"
# The worst first; the first two are findings.
_STATES: Final = ("REJECTED", "STALE", _NOT_SENT, "SYNCED")
_FINDINGS: Final = frozenset(_STATES[:2])


@app.command()
@grouped
def command(
    where: Where,
    proxy: Annotated[
        str,
        typer.Argument(
            metavar="[PROXY]",
            help="Only this one, in detail: pod, pod.namespace or deploy/NAME.",
            autocompletion=pod_names,
        ),
    ] = "",
    namespace: NamespaceOption = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """What each connected proxy was sent and has accepted, type by type; since when it has been so.

    SYNCED: all acknowledged. STALE: an answer is missing. REJECTED: Envoy refused it. Exit status 1 for the last two.
    """
    proxies = connected(control_plane(where))
    if proxy:
        known = {Candidate(one["namespace"], one["name"], one["workload"]): one for one in proxies}
        proxies = [known[choose(proxy, namespace, known)]]
    elif namespace:
        proxies = [one for one in proxies if one["namespace"] == namespace]
    if output is not Output.TABLE:
        print_document(proxies[0] if proxy else proxies, output)
    elif proxy:
        _detail(proxies[0], datetime.now(UTC))
    else:
        several = any("replica" in one for one in proxies)
        columns = {**_COLUMNS, "CONTROL PLANE": "replica"} if several else _COLUMNS
        print_table(columns, [_row(one, datetime.now(UTC)) for one in proxies], output)
    raise typer.Exit(1 if any(_worst(one) in _FINDINGS for one in proxies) else 0)


def _row(proxy: Proxy, now: datetime) -> Mapping[str, Any]:
    """One line of the table; SINCE is when the worst of its states began, the latest of several."""
    types, worst = proxy["types"], _worst(proxy)
    began = [one["since"] for one in types.values() if one["state"] == worst and one["since"]]
    return {
        "name": _label(proxy),
        "cluster": proxy["cluster"],
        "envoy": proxy["envoy"],
        **{name: types.get(name, {}).get("state", _NOT_SENT) for name in _TYPES},
        "since": _age(max(began, default=proxy["connected_since"]), now),
        "replica": proxy.get("replica", ""),
    }


def _detail(proxy: Proxy, now: datetime) -> None:
    """Who it is, a line a type, and what it refused with Envoy's reason."""
    console = stdout()
    about = f"{_label(proxy)}  {proxy['proxy']}  Envoy {proxy['envoy'] or '?'}"
    console.print(f"{about}, connected for {_age(proxy['connected_since'], now)}", soft_wrap=True)
    rows = [{**one, "type": name, "since": _age(one["since"], now)} for name, one in proxy["types"].items()]
    print_table(_TYPE_COLUMNS, rows, Output.TABLE)
    for name, one in proxy["types"].items():
        for refused in one["rejected"]:
            console.print(f"{name} {refused['name']} was rejected: {refused['reason']}", style="red", soft_wrap=True)


def _worst(proxy: Proxy) -> str:
    states = {one["state"] for one in proxy["types"].values()}
    return next((state for state in _STATES if state in states), _NOT_SENT)


def _label(proxy: Proxy) -> str:
    return f"{proxy['name']}.{proxy['namespace']}" if proxy["namespace"] else str(proxy["name"])


def _age(since: str | None, now: datetime) -> str:
    """``5s``, ``3m12s``, ``2h5m``, ``4d3h``: the two largest units."""
    if not since:
        return ""
    seconds = max(0, int((now - datetime.fromisoformat(since)).total_seconds()))
    parts = [
        (seconds // 86400, "d"),
        (seconds // 3600 % 24, "h"),
        (seconds // 60 % 60, "m"),
        (seconds % 60, "s"),
    ]
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    return "".join(f"{number}{unit}" for number, unit in parts[first : first + 2] if number) or "0s"
