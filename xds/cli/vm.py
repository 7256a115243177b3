"""``plait vm``: machines that are no pods: join."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

import typer

from xds.cli.durations import duration, shown
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.where import Installed, found

if TYPE_CHECKING:
    from xds.cli.cluster import Cluster
    from xds.local.state import MeshEntry
    from xds.machines.files import File, Machine

_ACCOUNT: Final = "system:serviceaccount:"
_PARTS: Final = 2
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Joins:
    """The machine, and what it joins."""

    group: Annotated[str, typer.Argument(metavar="GROUP", help="The WorkloadGroup.")]
    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="The group's namespace.")]
    address: Annotated[
        str, typer.Option("--address", metavar="IP", help="Where the mesh's workloads reach the machine.")
    ]
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where the files are written.")]
    locality: Annotated[
        str, typer.Option("--locality", metavar="REGION/ZONE/SUBZONE", help="Where it is. Default: as the group says.")
    ] = ""
    other_address: Annotated[
        str, typer.Option("--other-address", metavar="IP", help="Its address of the other family, if it has both.")
    ] = ""


@dataclass(frozen=True, slots=True)
class Trusts:
    """Where the control plane is, and how each knows the other."""

    xds: Annotated[
        str, typer.Option("--xds", metavar="HOST:PORT", help="The control plane, as the machine reaches it over TLS.")
    ] = ""
    server_name: Annotated[
        str, typer.Option("--server-name", metavar="NAME", help="Its name there. Default: istiod.istio-system.svc.")
    ] = ""
    token_lifetime: Annotated[
        str, typer.Option("--token-lifetime", metavar="DURATION", help="How long the token is good for.")
    ] = "24h"
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="A token of the account; asks no cluster.")
    ] = None
    ca: Annotated[
        Path | None, typer.Option("--ca", metavar="FILE", help="With --token-file: the mesh's roots, PEM.")
    ] = None


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are on the machine."""

    at: Annotated[
        Path | None, typer.Option("--at", metavar="DIR", help="Where the files will be there. Default: -o.")
    ] = None
    envoy: Annotated[Path, typer.Option("--envoy", metavar="FILE", help="Envoy there.")] = Path("/usr/local/bin/envoy")
    exclude_inbound_ports: Annotated[
        str, typer.Option("--exclude-inbound-ports", metavar="PORTS", help="What does not come in by the mesh.")
    ] = "22"


def join(joins: Joins, trusts: Trusts, places: Places, where: Installed) -> None:
    """Write what a machine needs to join the mesh as a workload of GROUP: plait vm join vms -n shop --address 10.0.0.5

    The files are Envoy's bootstrap, the token (mode 0600), the roots, rules and a systemd unit. A local mesh or a
    cluster is asked for token and roots; with --token-file nobody is. Run it again when the token has expired.
    """
    lifetime = duration(trusts.token_lifetime, "--token-lifetime")
    _check(joins)
    if trusts.token_file is not None:
        machine = _from_files(joins, trusts, where)
    else:
        from xds.local.state import MeshEntry

        place = found(where)
        if place is None:
            raise Failure("no local mesh runs here and no kubeconfig is: say --kubeconfig, or --token-file and --ca")
        if isinstance(place, MeshEntry):
            machine = _of_mesh(joins, trusts, lifetime, place)
        else:
            machine = _of_cluster(joins, trusts, lifetime, where, place)
    _write(joins.out, _files(machine, joins, places))
    _tell(machine, joins, places, lifetime if trusts.token_file is None else None)


def _check(joins: Joins) -> None:
    from xds.machines.machines import entry_name

    try:
        entry_name(joins.group, joins.address)
    except ValueError as error:
        raise Failure(f"--address {joins.address}: {error}") from None


def _of_mesh(joins: Joins, trusts: Trusts, lifetime: timedelta, mesh: MeshEntry) -> Machine:
    from xds.cli.address import Address
    from xds.machines.joining import PAGE

    socket = mesh.sockets.get("join")
    if socket is None:
        raise Failure(f"local mesh {mesh.name} takes no machines: its pods are on loopback")
    asked = {"namespace": joins.namespace, "group": joins.group, "address": joins.address}
    status, body = Address(socket).get(f"{PAGE}?{urlencode({**asked, 'lifetime_s': lifetime.total_seconds()})}")
    told = json.loads(body)
    if status != 200:
        raise Failure(f"local mesh {mesh.name}: {told['error']}")
    return _machine(joins, told["name"], told["service_account"], told["token"], xds=trusts.xds or told["xds"])


def _of_cluster(joins: Joins, trusts: Trusts, lifetime: timedelta, where: Installed, cluster: Cluster) -> Machine:
    from xds.cli.token_request import requested_token
    from xds.machines.machines import entry_name
    from xds.model.api_path import collection
    from xds.model.identity import AUDIENCE
    from xds.model.well_known import ROOTS_CONFIG_MAP, ROOTS_KEY

    _need_xds(trusts)
    groups = collection("networking.istio.io", "v1", "workloadgroups", joins.namespace)
    template = json.loads(cluster.get(f"{groups}/{joins.group}")).get("spec", {}).get("template", {})
    account = template.get("serviceAccount") or "default"
    known = json.loads(cluster.get(f"{collection('', 'v1', 'configmaps', joins.namespace)}/{ROOTS_CONFIG_MAP}"))
    roots = known.get("data", {}).get(ROOTS_KEY, "")
    if not roots:
        raise Failure(f"ConfigMap {joins.namespace}/{ROOTS_CONFIG_MAP} has no {ROOTS_KEY}: is Plait installed?")
    return _machine(
        joins,
        entry_name(joins.group, joins.address, template.get("network", "")),
        account,
        requested_token(cluster.client(), (joins.namespace, account), lifetime, [AUDIENCE]),
        xds=trusts.xds,
        roots=roots,
        server_name=_server_name(trusts, where),
    )


def _from_files(joins: Joins, trusts: Trusts, where: Installed) -> Machine:
    import jwt

    from xds.machines.machines import entry_name

    if trusts.token_file is None or trusts.ca is None:
        raise Failure("--token-file and --ca go together")
    _need_xds(trusts)
    try:
        token, roots = trusts.token_file.read_text().strip(), trusts.ca.read_text()
        subject = str(jwt.decode(token, options={"verify_signature": False}).get("sub"))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(str(error)) from None
    except jwt.PyJWTError:
        raise Failure(f"--token-file {trusts.token_file}: is no token") from None
    parts = subject.removeprefix(_ACCOUNT).split(":")
    if not subject.startswith(_ACCOUNT) or len(parts) != _PARTS or parts[0] != joins.namespace:
        raise Failure(f"--token-file {trusts.token_file}: is of {subject!r}, no service account of {joins.namespace}")
    name = entry_name(joins.group, joins.address)
    names = {"server_name": _server_name(trusts, where), "roots": roots}
    return _machine(joins, name, parts[1], token, xds=trusts.xds, **names)


def _need_xds(trusts: Trusts) -> None:
    if not trusts.xds:
        raise Failure("say with --xds where the machine reaches the control plane: host:15012")


def _server_name(trusts: Trusts, where: Installed) -> str:
    from xds.model.revision import service_host

    return trusts.server_name or service_host(where.root_namespace, where.revision or "default")


def _machine(joins: Joins, name: str, account: str, token: str, **control_plane: str) -> Machine:
    from xds.machines.files import Machine
    from xds.model.endpoint import Locality
    from xds.model.families import Families, families

    addresses = (joins.address, *([joins.other_address] if joins.other_address else ()))
    if len(addresses) > 1 and families(addresses) is not Families.BOTH:
        raise Failure(f"--other-address {joins.other_address}: must be of another family than {joins.address}")
    place = Locality(*(*joins.locality.split("/", 2), "", "")[:3])
    return Machine(joins.namespace, joins.group, name, addresses, account, token, locality=place, **control_plane)


def _files(machine: Machine, joins: Joins, places: Places) -> Mapping[str, File]:
    from xds.machines.files import Place, files
    from xds.model.interception import Interception

    ports = [word.strip() for word in places.exclude_inbound_ports.split(",") if word.strip()]
    if any(not word.isdecimal() or not 0 < int(word) <= _LAST_PORT for word in ports):
        raise Failure(f"--exclude-inbound-ports {places.exclude_inbound_ports}: must be ports, with commas between")
    what = Interception(excluded_inbound_ports=tuple(map(int, ports)))
    try:
        return files(machine, Place(_there(joins, places), places.envoy, what))
    except ValueError as error:
        raise Failure(f"--xds: {error}") from None


def _there(joins: Joins, places: Places) -> Path:
    return places.at or joins.out.resolve()


def _write(folder: Path, files: Mapping[str, File]) -> None:
    """Write the files, each in one step: a running Envoy takes a new token by that. Errors: Failure."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            draft = folder / f".{name}.new"
            draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, file.mode), "w") as opened:
                os.fchmod(opened.fileno(), file.mode)
                _keep_owner(opened.fileno(), folder / name)
                opened.write(file.text)
            draft.replace(folder / name)
    except OSError as error:
        raise Failure(f"cannot write {folder}: {error.strerror or error}") from None


def _keep_owner(descriptor: int, before: Path) -> None:
    """What is written anew beside a running Envoy stays Envoy's, where we may say so."""
    if os.geteuid() == 0 and before.exists() and not before.is_symlink():
        known = before.stat()
        os.fchown(descriptor, known.st_uid, known.st_gid)


def _tell(machine: Machine, joins: Joins, places: Places, lifetime: timedelta | None) -> None:
    there = _there(joins, places)
    copied = "" if places.at is None else f" Copy {joins.out} to {there} on the machine first."
    good = "" if lifetime is None else f" The token is good for {shown(lifetime)}: run this again before."
    group = f"WorkloadGroup {joins.namespace}/{joins.group}"
    lines = (
        f"{joins.out}: for {machine.name} of {group}, service account {machine.service_account}.{good}",
        f"On the machine, as root, with Envoy at {places.envoy}:{copied}",
        f"  systemctl enable --now {there}/plait-sidecar.service",
        f"Without systemd: chown 1337 {there}/token; {there}/interception.sh on; and as user 1337",
        f"  {places.envoy} --config-path {there}/envoy.json --disable-hot-restart",
    )
    typer.echo("\n".join(lines))


def _app() -> typer.Typer:
    group = typer_app(help="Machines that are no pods.")
    group.callback(invoke_without_command=True)(show_help)
    group.command("join")(grouped(join))
    return group


app = _app()
