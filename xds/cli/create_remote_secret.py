"""``plait create-remote-secret``: the Secret by which control planes of other clusters read this one."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.installation import Installation, Into, connected
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, print_document
from xds.cli.token_request import requested_token
from xds.model.well_known import REMOTE_READER

if TYPE_CHECKING:
    from xds.install.objects import Json

app = typer_app()

_NAME: Final = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,60}[A-Za-z0-9])?")
_LIMIT_S: Final = 20.0
_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class As:
    """Whom it lets in, and for how long."""

    service_account: Annotated[
        str, typer.Option("--service-account", metavar="NAME", help="The account that reads; made where it is not.")
    ] = REMOTE_READER
    create_service_account: Annotated[
        bool, typer.Option(help="Make the account, with the rights to read what a remote control plane needs.")
    ] = True
    token_lifetime: Annotated[
        str,
        typer.Option(
            "--token-lifetime", metavar="DURATION", help="Default: as long as a Secret in the cluster is there."
        ),
    ] = ""
    namespace: Annotated[
        str, typer.Option("-n", "--namespace", metavar="NS", help="The root namespace, in both clusters.")
    ] = "istio-system"


@dataclass(frozen=True, slots=True)
class Printed:
    """What is printed."""

    name: Annotated[
        str, typer.Option("--name", metavar="CLUSTER", help="The cluster's id: what its proxies call it.")
    ] = ""
    server: Annotated[
        str, typer.Option("--server", metavar="URL", help="Its API server, as others reach it. Default: as here.")
    ] = ""
    secret_name: Annotated[
        str, typer.Option("--secret-name", metavar="NAME", help="Default: istio-remote-secret-CLUSTER.")
    ] = ""


@app.command()
@grouped
def command(into: Into, how: As, printed: Printed) -> None:
    """Print the Secret that lets another cluster's control plane read this one, to be applied there.

    plait create-remote-secret --context west --name west | kubectl --context east apply -f -

    It makes an account that may read Services, EndpointSlices, Pods, Nodes and Namespaces and have tokens reviewed.
    """
    from xds.install.remote_reader import kubeconfig, reader, remote_secret

    if not _NAME.fullmatch(printed.name):
        raise Failure(f"--name must be the cluster's id, of letters, digits, '.', '-' and '_', is {printed.name!r}")
    api = connected(into.file, into.context)
    server = printed.server or api.configuration.host
    if not server.startswith("https://"):
        raise Failure(f"--server must begin with https://, is {server}")
    cluster = Installation(api)
    if how.create_service_account:
        for each in reader(how.namespace, how.service_account):
            cluster.apply(each)
    token = _token(cluster, api, how)
    content = _yaml(kubeconfig(printed.name, server, _authorities(api.configuration), token))
    name = printed.secret_name or f"istio-remote-secret-{printed.name.lower().replace('_', '-')}"
    typer.echo("# This file has a secret in it: a token for the cluster.")
    print_document(remote_secret(printed.name, name, how.namespace, content), Output.YAML)


def _token(cluster: Installation, api: Any, how: As) -> str:
    """A token of the account: of a Secret that Kubernetes fills, or one that ends. Errors: Failure."""
    from xds.install.remote_reader import token_secret

    if how.token_lifetime:
        lifetime = duration(how.token_lifetime, "--token-lifetime")
        return requested_token(api, (how.namespace, how.service_account), lifetime)
    wanted = token_secret(how.namespace, how.service_account)
    cluster.apply(wanted)
    deadline = time.monotonic() + _LIMIT_S
    while time.monotonic() < deadline:
        found: Json = cluster.get("v1", "Secret", wanted["metadata"]["name"], how.namespace) or {}
        if token := found.get("data", {}).get("token", ""):
            return base64.b64decode(token).decode()
        time.sleep(_PAUSE_S)
    name = wanted["metadata"]["name"]
    raise Failure(
        f"Kubernetes puts no token into Secret {how.namespace}/{name}: say --token-lifetime for one that ends"
    )


def _authorities(configuration: Any) -> str:
    """Whom this kubeconfig trusts for the API server, as base64. Errors: Failure."""
    try:
        if configuration.ssl_ca_cert:
            return base64.b64encode(Path(configuration.ssl_ca_cert).read_bytes()).decode()
    except OSError as error:
        raise Failure(f"the API server's authorities cannot be read: {error}") from None
    known = configuration.ca_cert_data or ""
    return base64.b64encode(known if isinstance(known, bytes) else known.encode()).decode()


def _yaml(document: Json) -> str:
    import yaml

    text: str = yaml.safe_dump(document, sort_keys=False)
    return text
