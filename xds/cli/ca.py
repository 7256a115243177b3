"""``plait ca``: the mesh's certificate authority: issue, inspect, rotate-root, bundle, status."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from xds.cli.ca_kept import CaFolder, CaKept
from xds.cli.ca_status import status
from xds.cli.durations import duration
from xds.cli.failure import Failure
from xds.cli.lazy import show_help, typer_app
from xds.cli.options import grouped
from xds.cli.output import Output, OutputOption, print_document, print_table, stdout

if TYPE_CHECKING:
    from cryptography import x509

    from ca.state import CaState
    from ca.trust import TrustBundle

_COLUMNS: Final = {
    "ROLE": "role",
    "SUBJECT": "subject",
    "NAMES": "names",
    "ISSUER": "issuer",
    "VALID FROM": "not_before",
    "UNTIL": "not_after",
    "SHA-256": "short",
}


def issue(
    ca: CaFolder,
    namespace: Annotated[str, typer.Option("-n", "--namespace", metavar="NS", help="The workload's namespace.")],
    service_account: Annotated[str, typer.Option("-s", "--service-account", metavar="NAME", help="Its account.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where cert-chain.pem, key.pem and root-cert.pem go.")
    ],
    trust_domain: Annotated[str, typer.Option("--trust-domain", help="The mesh's.")] = "cluster.local",
    ttl: Annotated[str, typer.Option("--ttl", metavar="DURATION", help="How long it is valid: 1m to 2160h.")] = "24h",
) -> None:
    """Issue a workload's certificate, with a new key. A CA is made first where there is none.

    The files are for their owner only (mode 0600); those of before are replaced.
    """
    now = datetime.now(UTC)
    with _failures():
        from ca.authority import Authority
        from ca.spiffe import WorkloadIdentity
        from ca.store import open_or_create

        identity = str(WorkloadIdentity(trust_domain, namespace, service_account))
        lifetime = duration(ttl, "--ttl")
        made = not ca.plugged_in and ca.store.version() is None
        state = ca.state(now) if ca.plugged_in else open_or_create(ca.store, now)
        authority = Authority.of(state, trust_domain)
        issued = authority.issue(identity, lifetime, now)
    if made:
        typer.echo(f"made a CA in {ca.folder}, root {state.active.root_fingerprint}", err=True)
    files = {
        "cert-chain.pem": issued.certificate_chain,
        "key.pem": issued.private_key,
        "root-cert.pem": authority.roots.pem,
    }
    _write(out, files)
    short = " (cut to the CA's own end)" if issued.not_after - now < lifetime - timedelta(seconds=1) else ""
    typer.echo(f"{identity} until {_stamp(issued.not_after)}{short}: {', '.join(str(out / name) for name in files)}")


def inspect(
    ca: CaKept,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="PEM certificates: a chain or a bundle.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """What certificates say and what is wrong with them: those of a file, or of the CA in --ca-dir or a cluster.

    With both: also whether the file's lead to a root of that CA. Exit status 1 when something is wrong.
    """
    from ca.errors import Unusable

    if file is None and not ca.named:
        raise Failure("say what to inspect: a FILE, --ca-dir DIR (a cluster's: --kubeconfig FILE), or both")
    now = datetime.now(UTC)
    with _failures():
        try:
            document = _of_ca(ca.state(now), now) if file is None else _of_file(file, ca, now)
        except Unusable as error:
            document = {"certificates": [], "problems": list(error.problems), "warnings": []}
    _print(document, output)
    raise typer.Exit(1 if document["problems"] else 0)


def rotate_root(
    ca: CaKept,
    abort: Annotated[bool, typer.Option("--abort", help="Go back to the old root.")] = False,
) -> None:
    """Replace the root by a new one, without a failed request, or go back.

    This only says so where the CA is kept, in --ca-dir or in a cluster's Secret plait-ca: the control plane that runs
    on it sends both roots to all, then signs with the new one, then drops the old one, and tells what holds it.
    `plait ca status` shows where it stands.
    """
    from ca import rotation
    from ca.issuer import self_signed

    now = datetime.now(UTC)
    with _failures():
        plugged_in = ca.plugged_in
    if plugged_in:
        raise Failure(f"the CA in {ca.where} is plugged in: replace its files, the control plane does the rest")
    with _failures():
        state = ca.state(now)
        changed = rotation.abort(state, now) if abort else rotation.start(state, self_signed(now), now)
        saved = ca.store.save(changed)
    following = f" -> {saved.next.root_fingerprint}" if saved.next is not None else ""
    typer.echo(f"{saved.phase}: root {saved.active.root_fingerprint}{following}")


def bundle(ca: CaKept) -> None:
    """Print the trusted roots as PEM."""
    with _failures():
        typer.echo(ca.state(datetime.now(UTC)).roots.pem.decode(), nl=False)


def _of_ca(state: CaState, now: datetime) -> dict[str, Any]:
    """The CA's own certificates and where its rotation stands."""
    from ca.state import findings

    found = findings(state, now)
    certificates: list[tuple[str, x509.Certificate]] = []
    for role, issuer in (("", state.active), ("next ", state.next)):
        if issuer is not None:
            below = [(f"{role}intermediate", each) for each in issuer.path[1:-1]]
            ends = [(f"{role}issuer", issuer.certificate), *below, (f"{role}root", issuer.root)]
            certificates += ends if len(issuer.path) > 1 else ends[-1:]
    certificates += [("other root", root) for root in state.more_roots.roots]
    return {
        "phase": str(state.phase),
        "since": _stamp(state.since),
        "signs": "next" if state.signer is state.next else "active",
        "root": state.active.root_fingerprint,
        "certificates": [_row(role, each) for role, each in certificates],
        "problems": list(found.problems),
        "warnings": list(found.warnings),
    }


def _of_file(file: Path, ca: CaKept, now: datetime) -> dict[str, Any]:
    """The certificates in ``file``; ``root`` is the one of the CA that they lead to."""
    from cryptography import x509

    from ca.description import chain_findings, root_of

    try:
        chain = x509.load_pem_x509_certificates(file.read_bytes())
    except ValueError:
        raise Failure(f"{file} holds no certificates in PEM that can be read") from None
    trusted: TrustBundle | None = ca.state(now).roots if ca.named else None
    found = chain_findings(chain, now, trusted)
    return {
        "root": "" if trusted is None else root_of(chain, trusted),
        "certificates": [_row(str(place), each) for place, each in enumerate(chain, start=1)],
        "problems": list(found.problems),
        "warnings": list(found.warnings),
    }


def _row(role: str, certificate: x509.Certificate) -> dict[str, Any]:
    from ca.description import describe

    found = describe(certificate)
    times = {"not_before": _stamp(found.not_before), "not_after": _stamp(found.not_after)}
    return {"role": role, **asdict(found), **times, "names": list(found.names)}


def _print(document: Mapping[str, Any], output: Output) -> None:
    if output is not Output.TABLE:
        print_document(document, output)
        return
    rows: Sequence[Mapping[str, Any]] = document["certificates"]
    if rows:
        print_table(_COLUMNS, [{**row, "short": row["fingerprint"][:12]} for row in rows], output)
    console = stdout()
    if document.get("phase", "stable") != "stable":
        console.print(f"root rotation: {document['phase']} since {document['since']}", soft_wrap=True)
    for level, style in (("problems", "red"), ("warnings", "yellow")):
        for sentence in document[level]:
            console.print(f"{level[:-1]}: {sentence}", style=style, soft_wrap=True)


@contextmanager
def _failures() -> Iterator[None]:
    """What the library refuses, or cannot reach, as a Failure."""
    from ca.errors import CaError

    try:
        yield
    except (CaError, OSError) as error:
        raise Failure(str(error)) from None


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each file whole or not at all; readers of before keep what they have open."""
    from ca.directory_store import write_private

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in files.items():
        prepared = folder / f".{name}.{os.getpid()}"
        prepared.unlink(missing_ok=True)
        write_private(prepared, content)
        prepared.replace(folder / name)


def _stamp(moment: datetime) -> str:
    from ca.validity import stamp

    return stamp(moment)


def _app() -> typer.Typer:
    group = typer_app(help="The mesh's certificate authority.")
    group.callback(invoke_without_command=True)(show_help)
    for name, command in (("issue", issue), ("inspect", inspect), ("rotate-root", rotate_root), ("bundle", bundle)):
        group.command(name)(grouped(command))
    group.command("status")(status)
    return group


app = _app()
