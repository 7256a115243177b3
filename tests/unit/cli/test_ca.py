"""``plait ca``: a CA in a directory, plugged in or its own."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from ca import keys
from ca.directory_store import DirectoryStore
from ca.issuer import Issuer, self_signed
from ca.state import CaState
from xds.cli.plait import app


def run(*words: object) -> Result:
    return CliRunner().invoke(app(), ["ca", *(str(word) for word in words)])


def issue(folder: Path, *more: object) -> Result:
    out = folder / "out"
    return run("issue", "--ca-dir", folder / "ca", "-n", "shop", "-s", "web", "--out", out, *more)


def plug_in(folder: Path, issuer: Issuer) -> Path:
    folder.mkdir()
    pem = issuer.certificate.public_bytes(Encoding.PEM)
    for name, content in (
        ("ca-cert.pem", pem),
        ("root-cert.pem", pem),
        ("cert-chain.pem", pem),
        ("ca-key.pem", keys.to_pem(issuer.key)),
    ):
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
    return folder


def inspected(*words: object) -> Any:
    return json.loads(run("inspect", *words, "-o", "json").stdout)


def test_issue_makes_a_ca_once_and_private_files(tmp_path: Path) -> None:
    first = issue(tmp_path)
    assert first.exit_code == 0
    assert "made a CA in" in first.stderr
    assert first.stdout.startswith("spiffe://cluster.local/ns/shop/sa/web until 20")
    assert "PRIVATE" not in first.output
    for file in (tmp_path / "out").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    leaf = x509.load_pem_x509_certificate((tmp_path / "out" / "cert-chain.pem").read_bytes())
    root = x509.load_pem_x509_certificate((tmp_path / "out" / "root-cert.pem").read_bytes())
    leaf.verify_directly_issued_by(root)
    key = keys.from_pem((tmp_path / "out" / "key.pem").read_bytes())
    assert keys.same(key, leaf.public_key())

    again = issue(tmp_path, "--ttl", "90m", "--trust-domain", "my.mesh")
    assert again.exit_code == 0
    assert again.stderr == ""
    found = inspected(tmp_path / "out" / "cert-chain.pem", "--ca-dir", tmp_path / "ca")
    assert found["certificates"][0]["names"] == ["spiffe://my.mesh/ns/shop/sa/web"]
    assert found["root"] == inspected("--ca-dir", tmp_path / "ca")["root"]
    assert found["problems"] == []


def test_what_issue_refuses(tmp_path: Path) -> None:
    for words, text in (
        (("--ttl", "1s"), "a lifetime of 1 s: must be 60 seconds to 90 days"),
        (("--ttl", "soon"), "--ttl must be a duration such as 30s, 5m or 1h, is 'soon'"),
        (("--trust-domain", "a/b"), "trust domain 'a/b'"),
    ):
        result = issue(tmp_path, *words)
        assert (result.exit_code, text in result.stderr) == (2, True), result.output
    assert not (tmp_path / "out").exists()
    assert "say where the CA is kept: --ca-dir DIR" in run("bundle").stderr


def test_an_encrypted_ca(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("sesame\n")
    assert issue(tmp_path, "--passphrase-file", tmp_path / "word").exit_code == 0
    assert b"ENCRYPTED" in (tmp_path / "ca" / "current" / "ca-key.pem").read_bytes()
    assert "the key is encrypted and no passphrase was given" in issue(tmp_path).stderr
    assert issue(tmp_path, "--passphrase-file", tmp_path / "word").exit_code == 0


def test_an_empty_passphrase_leaves_no_key_unencrypted(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("\n")
    assert "word: it is empty" in issue(tmp_path, "--passphrase-file", tmp_path / "word").stderr
    assert not (tmp_path / "ca").exists()


def test_inspect_a_ca(tmp_path: Path) -> None:
    issue(tmp_path)
    result = run("inspect", "--ca-dir", tmp_path / "ca")
    assert result.exit_code == 0
    assert "CN=Plait mesh CA" in result.stdout
    nothing = run("inspect", "--ca-dir", tmp_path / "none")
    assert (nothing.exit_code, "there is no CA in" in nothing.stderr) == (2, True)
    assert run("inspect").exit_code == 2


def test_inspect_finds_what_is_wrong(tmp_path: Path) -> None:
    folder = plug_in(tmp_path / "cacerts", self_signed(datetime.now(UTC)))
    assert inspected("--ca-dir", folder)["problems"] == []
    (folder / "ca-key.pem").write_bytes(keys.to_pem(keys.generate(keys.KeyKind.P256)))
    result = run("inspect", "--ca-dir", folder)
    assert result.exit_code == 1
    assert f"problem: {folder}/ca-key.pem is not the key of {folder}/ca-cert.pem" in result.stdout

    expired = self_signed(datetime.now(UTC) - timedelta(days=4000))
    store = DirectoryStore(tmp_path / "old")
    store.save(CaState(expired, datetime.now(UTC)))
    result = run("inspect", "--ca-dir", tmp_path / "old")
    assert result.exit_code == 1
    assert "expired at" in result.stdout


def test_inspect_a_chain_of_another_ca(tmp_path: Path) -> None:
    issue(tmp_path)
    folder = plug_in(tmp_path / "cacerts", self_signed(datetime.now(UTC)))
    result = run("inspect", tmp_path / "out" / "cert-chain.pem", "--ca-dir", folder)
    assert result.exit_code == 1
    assert "leads not to a root of this CA" in result.stdout
    assert run("inspect", tmp_path / "out" / "root-cert.pem").exit_code == 0
    key = run("inspect", tmp_path / "out" / "key.pem")
    assert (key.exit_code, "holds no certificates in PEM" in key.stderr) == (2, True)


def test_rotate_root_and_back(tmp_path: Path) -> None:
    issue(tmp_path)
    ca = ("--ca-dir", tmp_path / "ca")
    old = inspected(*ca)["root"]
    started = run("rotate-root", *ca)
    assert started.stdout.startswith(f"distributing: root {old} -> ")
    assert run("bundle", *ca).stdout.count("BEGIN CERTIFICATE") == 2
    assert "root rotation: distributing since" in run("inspect", *ca).stdout
    again = run("rotate-root", *ca)
    assert (again.exit_code, "wait for it, or abort it" in again.stderr) == (2, True)
    assert run("rotate-root", "--abort", *ca).stdout == f"stable: root {old}\n"
    assert run("bundle", *ca).stdout.count("BEGIN CERTIFICATE") == 1
    assert run("rotate-root", "--abort", *ca).exit_code == 2


def test_a_plugged_in_ca_issues_and_is_not_rotated_here(tmp_path: Path) -> None:
    issuer = self_signed(datetime.now(UTC))
    plug_in(tmp_path / "ca", issuer)
    assert issue(tmp_path).exit_code == 0
    assert not (tmp_path / "ca" / "current").exists()
    refused = run("rotate-root", "--ca-dir", tmp_path / "ca")
    assert (refused.exit_code, "is plugged in: replace its files" in refused.stderr) == (2, True)
