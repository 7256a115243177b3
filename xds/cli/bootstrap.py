"""``plait bootstrap``: an Envoy bootstrap on stdout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, print_document

if TYPE_CHECKING:
    from xds.bootstrap.credentials import WatchedToken
    from xds.bootstrap.envoy import ControlPlane

app = typer_app()

_TLS: Final = "127.0.0.1:15012"
_PLAINTEXT: Final = "127.0.0.1:15010"
_PARTS: Final = 4
_KINDS: Final = ("sidecar", "router")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the proxy says it is."""

    node_id: Annotated[
        str, typer.Option("--node-id", metavar="ID", help="sidecar~IP~POD.NAMESPACE~DOMAIN, or any other text.")
    ]
    cluster: Annotated[str, typer.Option("--cluster", help="node.cluster. Default: POD.NAMESPACE, or the id.")] = ""
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="A label of the pod; may be repeated.")
    ] = None
    service_account: Annotated[str, typer.Option("--service-account", help="The pod's service account.")] = "default"
    locality: Annotated[str, typer.Option("--locality", metavar="REGION/ZONE/SUBZONE", help="Where it runs.")] = ""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where its control plane is, and how it is trusted."""

    xds: Annotated[
        str,
        typer.Option(
            "--xds", metavar="ADDR", help=f"host:port or unix:/path. Default: {_TLS}; plaintext {_PLAINTEXT}."
        ),
    ] = ""
    plaintext: Annotated[bool, typer.Option("--plaintext", help="Without TLS.")] = False
    ca: Annotated[Path | None, typer.Option("--ca", help="PEM file to verify the control plane with.")] = None
    server_name: Annotated[str, typer.Option("--server-name", help="Its name there. Default: the host of --xds.")] = ""
    cert: Annotated[Path | None, typer.Option("--cert", help="PEM file of the proxy's own certificate.")] = None
    key: Annotated[Path | None, typer.Option("--key", help="PEM file of its key.")] = None
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A service-account token to present; taken anew when replaced.")
    ] = None
    sds_folder: Annotated[
        Path | None,
        typer.Option(
            "--sds-folder",
            metavar="DIR",
            help="Where to write the files by which Envoy watches token, certificate and CA.",
        ),
    ] = None
    workload_socket: Annotated[
        Path | None,
        typer.Option("--workload-socket", help="Unix socket of a SPIFFE workload API: certificates are from there."),
    ] = None


@dataclass(frozen=True, slots=True)
class Ports:
    """Envoy's own ports."""

    admin: Annotated[int, typer.Option("--admin", metavar="PORT", help="Admin interface, on loopback.")] = 15000
    health: Annotated[int, typer.Option("--health", metavar="PORT", help="Readiness; 0 for none.")] = 15021
    metrics: Annotated[int, typer.Option("--metrics", metavar="PORT", help="Prometheus; 0 for none.")] = 15090


def command(
    identity: Identity,
    upstream: Upstream,
    ports: Ports,
    output: Annotated[Output, typer.Option("-o", "--output", help="yaml or json.")] = Output.YAML,
) -> None:
    """Print an Envoy bootstrap: envoy -c <(plait bootstrap --node-id web --plaintext)."""
    from xds.bootstrap.envoy import OwnPorts, bootstrap

    node, stated = _node(identity)
    own = OwnPorts(admin=ports.admin, health=ports.health, metrics=ports.metrics)
    try:
        control_plane = _control_plane(upstream)
        made = bootstrap(node, control_plane, own, workload_socket=upstream.workload_socket)
        _write_sds_files(control_plane)
    except (ValueError, OSError) as error:
        raise Failure(str(error)) from None
    made["node"] = {**made["node"], **stated}
    print_document(made, Output.JSON if output is Output.JSON else Output.YAML)


def _node(identity: Identity) -> tuple[Any, dict[str, str]]:
    """The node that the id describes, and the parts of it that are to be as they were given."""
    from xds.bootstrap.node import ProxyNode
    from xds.model.endpoint import Locality

    region, zone, sub_zone = (*identity.locality.split("/"), "", "")[:3]
    parts = identity.node_id.split("~")
    known = len(parts) == _PARTS and parts[0] in _KINDS
    pod, _, namespace = parts[2].rpartition(".") if known else (identity.node_id, "", "default")
    node = ProxyNode(
        kind=parts[0] if known else _KINDS[0],
        namespace=namespace,
        name=pod or namespace,
        addresses=(parts[1],) if known and parts[1] else (),
        labels=dict(_label(text) for text in identity.labels or ()),
        service_account=identity.service_account,
        locality=Locality(region, zone, sub_zone),
        stated_id=identity.node_id,
    )
    stated = {}
    if identity.cluster or not known:
        stated["cluster"] = identity.cluster or identity.node_id
    return node, stated


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Failure(f"--label {text}: must be KEY=VALUE")
    return key, value


def _control_plane(upstream: Upstream) -> ControlPlane:
    from xds.bootstrap.credentials import Tls
    from xds.bootstrap.envoy import ControlPlane

    address = upstream.xds or (_PLAINTEXT if upstream.plaintext else _TLS)
    if upstream.plaintext:
        return ControlPlane(address, token=_token(upstream))
    if upstream.ca is None:
        raise Failure("say with --ca how to verify the control plane, or that it is --plaintext")
    if (upstream.cert is None) != (upstream.key is None):
        raise Failure("--cert and --key go together")
    name = upstream.server_name or address.rpartition(":")[0].strip("[]")
    tls = Tls(name, upstream.ca, upstream.cert, upstream.key, upstream.sds_folder)
    return ControlPlane(address, tls, _token(upstream))


def _token(upstream: Upstream) -> WatchedToken | None:
    from xds.bootstrap.credentials import WatchedToken

    if upstream.token_file is None:
        return None
    if upstream.sds_folder is None:
        raise Failure("--token-file needs --sds-folder: Envoy watches the token by a file there")
    return WatchedToken(upstream.token_file, upstream.sds_folder / "control-plane-token.json")


def _write_sds_files(control_plane: ControlPlane) -> None:
    """Write the files that the bootstrap refers to; none of them is secret."""
    files = dict(control_plane.tls.sds_files) if control_plane.tls else {}
    if control_plane.token is not None:
        files[control_plane.token.sds_file] = control_plane.token.sds
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


app.command()(grouped(command))
