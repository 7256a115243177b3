"""``plait serve``: the control plane."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli import collector
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.until_signalled import run_until_signalled

if TYPE_CHECKING:
    from xds.settings import Settings

app = typer_app()


@dataclass(frozen=True, slots=True)
class From:
    """What is read."""

    manifests: Annotated[
        list[Path] | None,
        typer.Option("--manifests", metavar="DIR", help="Watch the manifests in this directory; may be repeated."),
    ] = None
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", help="Watch the cluster of this kubeconfig.")
    ] = None
    context: Annotated[
        str | None, typer.Option("--context", metavar="NAME", help="Of the kubeconfig. Default: its current one.")
    ] = None
    in_cluster: Annotated[
        bool | None, typer.Option("--in-cluster", help="Watch the cluster that this runs in.", show_default=False)
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", metavar="NAME", help="Where it is in that cluster. Default: istio-system."),
    ] = None
    revision: Annotated[
        str | None,
        typer.Option("--revision", metavar="NAME", help="Which of the cluster's control planes. Default: default."),
    ] = None
    cluster_id: Annotated[
        str | None, typer.Option("--cluster-id", metavar="NAME", help="The cluster's name. Default: Kubernetes.")
    ] = None
    remote_kubeconfigs: Annotated[
        list[str] | None,
        typer.Option(
            "--remote-kubeconfig",
            metavar="CLUSTER=FILE",
            help="Take endpoints from this cluster, too; may be repeated.",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class At:
    """Where it is served."""

    xds: Annotated[
        str | None,
        typer.Option(
            "--xds",
            metavar="ADDR",
            help="xDS over TLS, for who has a token. Default: 0.0.0.0:15012; off where --xds-plaintext is given.",
        ),
    ] = None
    xds_mtls: Annotated[
        str | None,
        typer.Option("--xds-mtls", metavar="ADDR", help="xDS over TLS, for who has a certificate. Default: off."),
    ] = None
    xds_names: Annotated[
        list[str] | None,
        typer.Option(
            "--xds-name",
            metavar="NAME",
            help="A name of the control plane, in its certificate; may be repeated. Default: istiod.<root-ns>.svc, "
            "plait.<root-ns>.svc, localhost, the host's.",
        ),
    ] = None
    xds_plaintext: Annotated[
        str | None, typer.Option("--xds-plaintext", metavar="ADDR", help="xDS without TLS. Default: off.")
    ] = None
    http: Annotated[
        str | None,
        typer.Option("--http", metavar="ADDR", help="Health, metrics and debug pages. Default: 127.0.0.1:15014."),
    ] = None
    health: Annotated[
        str | None,
        typer.Option("--health", metavar="ADDR", help="Health and metrics, without the debug pages. Default: off."),
    ] = None
    prometheus: Annotated[
        str | None,
        typer.Option(
            "--prometheus",
            metavar="URL",
            help="A Prometheus that scrapes the sidecars: the dashboard's charts of hours and days. Default: none.",
        ),
    ] = None
    otlp: Annotated[
        str | None,
        typer.Option("--otlp", metavar="URL", help="Send traces of changes there: http://host:4317. Default: off."),
    ] = None
    webhook: Annotated[
        str | None, typer.Option("--webhook", metavar="ADDR", help="Webhooks over TLS. Default: off.")
    ] = None


@dataclass(frozen=True, slots=True)
class Injected:
    """What the webhook puts into pods."""

    proxy_image: Annotated[
        str | None, typer.Option("--proxy-image", metavar="IMAGE", help="Default: envoyproxy/envoy:v1.40.0.")
    ] = None
    init_image: Annotated[
        str | None, typer.Option("--init-image", metavar="IMAGE", help="With iptables. Default: plait/init.")
    ] = None
    injected_xds: Annotated[
        str | None,
        typer.Option(
            "--injected-xds", metavar="ADDR", help="This control plane, for them. Default: its Service, port 15012."
        ),
    ] = None
    cni: Annotated[
        bool | None, typer.Option("--cni", help="Node agents set the interception rules.", show_default=False)
    ] = None
    gateway_controllers: Annotated[
        list[str] | None,
        typer.Option(
            "--gateway-controller",
            metavar="NAME",
            help="Whose GatewayClasses are served; may be repeated. Default: plait.dev/gateway-controller, and for "
            "the revision default istio.io/gateway-controller.",
        ),
    ] = None
    gateway_deployments: Annotated[
        bool | None,
        typer.Option(
            "--gateway-deployments/--no-gateway-deployments", help="Run routers for Gateways.", show_default=False
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class By:
    """The CA, and whose word is taken."""

    ca_dir: Annotated[
        Path | None,
        typer.Option("--ca-dir", metavar="DIR", help="Where the CA is kept. Default: ~/.local/state/plait/ca."),
    ] = None
    plugged_in_ca: Annotated[
        Path | None,
        typer.Option("--plugged-in-ca", metavar="DIR", help="A CA of yours: ca-cert.pem, ca-key.pem, root-cert.pem."),
    ] = None
    ca_passphrase_file: Annotated[
        Path | None,
        typer.Option("--ca-passphrase-file", metavar="FILE", help="Holds the passphrase of the CA's keys."),
    ] = None
    token_issuer: Annotated[
        str | None,
        typer.Option("--token-issuer", metavar="ISSUER", help="Take service-account tokens of this issuer."),
    ] = None
    token_keys: Annotated[
        str | None,
        typer.Option("--token-keys", metavar="FILE|URL", help="The issuer's public keys, a JWK set."),
    ] = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What is served, and what is kept."""

    prover: Annotated[
        str | None,
        typer.Option(
            "--prover",
            metavar="auto|off|FILE",
            help="The Envoy that must take everything before proxies are sent it. Default: auto, the installed one.",
        ),
    ] = None
    state_dir: Annotated[
        Path | None,
        typer.Option("--state-dir", metavar="DIR", help="What was proven is kept here. Default: ~/.local/state/plait."),
    ] = None


def command(
    read: From,
    at: At,
    by: By,
    injected: Injected,
    judged: Judged,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the control plane: read manifests or a cluster, serve xDS. SIGTERM and Ctrl-C end it in order.

    Each option has a variable in the environment, PLAIT_XDS_PLAINTEXT for --xds-plaintext; the option wins.
    """
    from xds.events import set_up
    from xds.setting_values import SettingError
    from xds.settings import Settings

    flags = {**asdict(read), **asdict(at), **asdict(by), **asdict(injected), **asdict(judged)}
    flags["manifests"] = tuple(read.manifests) if read.manifests else None
    flags["remote_kubeconfigs"] = tuple(read.remote_kubeconfigs) if read.remote_kubeconfigs else None
    flags["xds_names"] = " ".join(at.xds_names) if at.xds_names else None
    try:
        settings = Settings.resolve(os.environ, flags)
    except SettingError as error:
        raise Failure(str(error)) from None
    _check_sources(settings)
    if log_level not in {"debug", "info", "warning", "error"}:
        raise Failure(f"--log-level {log_level}: must be debug, info, warning or error")
    set_up(log_level)
    run_until_signalled(_serve(settings))


def _check_sources(settings: Settings) -> None:
    if not settings.manifests and not settings.watches_cluster:
        raise Failure("say what to serve: --manifests DIR, --kubeconfig FILE or --in-cluster")
    for path in settings.manifests:
        if not path.exists():
            raise Failure(f"{path}: there is no such file or directory")


async def _serve(settings: Settings) -> None:
    """Serve for ever."""
    from xds.serving import CannotServe, serve

    collector.relax()
    try:
        await serve(settings, collector.settle)
    except CannotServe as error:
        raise Failure(str(error)) from None


app.command()(grouped(command))
