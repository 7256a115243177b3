"""``plait`` itself: the catalogue of commands and the options that stand before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import typer

from xds import __version__
from xds.cli.istioctl import ELSEWHERE
from xds.cli.lazy import Lazy, LazyGroup, show_help, typer_app

_PROXY_STATUS = "What each proxy was sent and has accepted, type by type."
_PROXY_CONFIG = "What a proxy has: clusters, listeners, routes, endpoints, secrets, extensions."
_EXPERIMENTAL = "What istioctl has below `experimental`, or `x`."


class Plait(LazyGroup):
    """The group of all commands, in the order of the help."""

    catalogue: ClassVar[Mapping[str, Lazy]] = {
        "up": Lazy("xds.cli.up", "Run manifests on this machine, with real Envoy sidecars."),
        "exec": Lazy("xds.cli.exec", "Run a command in a pod: a local one, or a cluster's."),
        "echo": Lazy("xds.cli.echo", "The test application: tells who it is and what it was asked."),
        "serve": Lazy("xds.cli.serve", "Run the control plane."),
        "bootstrap": Lazy("xds.cli.bootstrap", "Print an Envoy bootstrap that connects to the control plane."),
        "vm": Lazy("xds.cli.vm", "Machines that are no pods: join."),
        "inject": Lazy("xds.cli.inject", "Print manifests with the sidecars that their pods would be given."),
        "ca": Lazy("xds.cli.ca", "The mesh's certificate authority: issue, inspect, rotate-root, bundle, status."),
        "crds": Lazy("xds.cli.crds", "What users write, as an API server knows it (CRDs): print, apply."),
        "install": Lazy("xds.cli.install", "Put the control plane into a cluster; print its manifests."),
        "uninstall": Lazy("xds.cli.uninstall", "Remove a revision of the control plane from a cluster."),
        "tag": Lazy("xds.cli.tag", "Names for revisions of the control plane: set, list, remove."),
        "create-remote-secret": Lazy(
            "xds.cli.create_remote_secret", "Print the Secret by which another cluster's control plane reads this one."
        ),
        "remote-clusters": Lazy("xds.cli.remote_clusters", "The remote clusters, and how well each is being read."),
        "dashboard": Lazy("xds.cli.dashboard", "The dashboard of a control plane, in a browser."),
        "explain": Lazy("xds.cli.explain", "Whether one workload may call another, and what decides it."),
        "describe": Lazy("xds.cli.describe", "What holds for a pod or a service: who selects it, which objects."),
        "analyze": Lazy("xds.cli.analyze", "What is wrong with the configuration."),
        "validate": Lazy("xds.cli.validate", "Whether manifests are valid, each object by itself."),
        "wait": Lazy("xds.cli.wait", "Wait until an object is live on all proxies, or on a share of them."),
        "history": Lazy("xds.cli.history", "What has changed, and what proxies made of it."),
        "rollback": Lazy("xds.cli.rollback", "Print objects as they were before a generation."),
        "diff": Lazy("xds.cli.diff", "What Envoys would be sent otherwise, and whose connections that would cut."),
        "top": Lazy("xds.cli.top", "Requests, errors and durations of services, workloads or edges, live."),
        "graph": Lazy("xds.cli.graph", "Who calls whom: as text, for Graphviz, or as JSON."),
        "rollout": Lazy("xds.cli.rollout", "Changes that roll out in steps: status, promote, abort."),
        "audit": Lazy("xds.cli.audit", "Who was refused what, and by which policy; what dry runs would have refused."),
        "record": Lazy("xds.cli.record", "All requests of a workload's proxies, for a while."),
        "mtls": Lazy("xds.cli.mtls", "Who still talks plaintext, and how to end it: status, strict."),
        "authz": Lazy("xds.cli.authz", "Authorization: suggest policies for the traffic that was seen."),
        "proxy-status": Lazy("xds.cli.proxy_status", _PROXY_STATUS),
        "ps": Lazy("xds.cli.proxy_status", _PROXY_STATUS, hidden=True),
        "proxy-config": Lazy("xds.cli.proxy_config", _PROXY_CONFIG),
        "bug-report": Lazy("xds.cli.bug_report", "Write a file with what is needed to find out what is wrong."),
        "completion": Lazy("xds.cli.completion", "Print the completion script of a shell."),
        "version": Lazy("xds.cli.version", "Versions of this command, the control plane and the proxies."),
        "node-agent": Lazy("xds.cli.node_agent", "Set pods' interception rules from their node.", hidden=True),
        "pc": Lazy("xds.cli.proxy_config", _PROXY_CONFIG, hidden=True),
        "kube-inject": Lazy("xds.cli.inject", "As istioctl calls `inject`.", hidden=True),
        "dash": Lazy("xds.cli.dashboard", "As istioctl calls `dashboard`.", hidden=True),
        "experimental": Lazy("xds.cli.experimental", _EXPERIMENTAL, hidden=True),
        "x": Lazy("xds.cli.experimental", _EXPERIMENTAL, hidden=True),
    }
    elsewhere: ClassVar[Mapping[str, str]] = ELSEWHERE


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"plait {__version__}")
        raise typer.Exit


def _plait(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Plait: a control plane for Envoy sidecars and gateways.

    Exit status: 0 fine, 1 findings, 2 usage or failure.
    """
    show_help(context)


def app() -> typer.Typer:
    """The whole command line."""
    made = typer_app(cls=Plait, add_completion=True)
    made.callback(invoke_without_command=True)(_plait)
    return made
