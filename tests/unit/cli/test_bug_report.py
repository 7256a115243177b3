"""``plait bug-report``: what is in the archive, how large it may become, and that no secret is in it."""

from __future__ import annotations

import base64
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.bug_report.archive import Archive
from xds.cli.bug_report.scrub import scrubbed, without_secrets
from xds.cli.plait import app

HIDDEN = "hunter2hunter2"
KEY = f"-----BEGIN EC PRIVATE KEY-----\n{HIDDEN}\n-----END EC PRIVATE KEY-----"
JWT = f"eyJhbGciOiJIUzI1NiJ9.{HIDDEN}.c2ln"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
IN_BASE64 = base64.b64encode(KEY.encode()).decode()
SECRET_BASE64 = base64.b64encode(HIDDEN.encode()).decode()

PROXY = {
    "proxy": "sidecar~10.0.0.1~web-0.shop~shop",
    "name": "web-0",
    "namespace": "shop",
    "workload": "web",
    "connected_since": "2026-11-21T00:00:00",
    "types": {"cds": {"state": "SYNCED"}},
}
DUMP = {
    "resources": [
        {"private_key": {"inline_bytes": SECRET_BASE64, "filename": "/etc/key.pem"}},
        {"request_headers_to_add": [{"header": {"key": "Authorization", "value": HIDDEN}}]},
        {"certificate_chain": {"inline_string": CERTIFICATE}},
        {"local_jwks": {"inline_string": json.dumps({"keys": [{"kty": "oct", "k": HIDDEN * 2}]})}},
        {"inline_code": f"local key = [[{KEY}]]"},
        {"uri": f"https://user:{HIDDEN}@example.com/x?token={HIDDEN}&page=2"},
        {"name": "web", "secret_name": "web-cert", "password": HIDDEN},
    ]
}
PAGES: dict[str, list[object]] = {
    "/debug/syncz": [[PROXY]],
    "/debug/problems": [[{"code": "jwt.jwks-private", "message": f"Bearer {HIDDEN}"}]],
    "/debug/history": [{"generation": 3, "generations": []}],
    "/debug/audit": [{"refusals": [{"path": f"/login?password={HIDDEN}", "token": JWT}]}],
    "/debug/config_dump": [DUMP],
    "/metrics": ["pilot_xds 1\n"],
    "/readyz": ["ready\n"],
}


def report(tmp_path: Path, *arguments: str) -> tuple[Result, dict[str, bytes]]:
    file = tmp_path / "report.tar.gz"
    with scripted(PAGES) as where:
        result = CliRunner().invoke(app(), ["bug-report", "--http", where, "-o", str(file), *arguments])
    assert result.exit_code == 0, result.output
    with tarfile.open(file) as archive:
        files = {entry.name.partition("/")[2]: archive.extractfile(entry) for entry in archive.getmembers()}
        assert file.stat().st_mode & 0o777 == 0o600
        return result, {name: content.read() for name, content in files.items() if content is not None}


def test_what_is_in_it(tmp_path: Path) -> None:
    result, files = report(tmp_path)
    wanted = {"syncz", "problems", "history", "audit"}
    assert {f"control-plane-0/{name}.json" for name in wanted} <= files.keys()
    assert json.loads(files["versions.json"])["plait"]
    assert files["control-plane-0/metrics.txt"] == b"pilot_xds 1\n"
    assert "proxies/shop/web-0/sent.json" in files
    assert b"control-plane-0/ca.json: answered with 404" in files["missing.txt"]
    assert "not in it: control-plane-0/ca.json" in result.stderr


def test_no_secret_is_in_it(tmp_path: Path) -> None:
    _, files = report(tmp_path)
    everything = b"\n".join(files.values())
    for hidden in (HIDDEN, SECRET_BASE64, IN_BASE64, JWT, "PRIVATE KEY"):
        assert hidden.encode() not in everything
    sent = json.loads(files["proxies/shop/web-0/sent.json"])["resources"]
    assert sent[0]["private_key"] == {"inline_bytes": "[redacted]", "filename": "/etc/key.pem"}
    assert sent[2]["certificate_chain"]["inline_string"] == CERTIFICATE
    assert sent[5]["uri"] == "https://[redacted]@example.com/x?token=[redacted]&page=2"
    assert sent[6] == {"name": "web", "secret_name": "web-cert", "password": "[redacted]"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"a {KEY} b", "a [redacted] b"),
        ("-----BEGIN PRIVATE KEY-----\nABC", "[redacted]"),
        (f"tls.key: {IN_BASE64}", "tls.key: [redacted]"),
        (f"token {JWT} is old", "token [redacted] is old"),
        ("authorization: Basic dXNlcjpwYXNzd29yZA==\nhost: a", "authorization: [redacted]\nhost: a"),
        ("Cookie: session=1234", "Cookie: [redacted]"),
        ("GET /?code=abc&x=1", "GET /?code=[redacted]&x=1"),
        (CERTIFICATE, CERTIFICATE),
        (base64.b64encode(CERTIFICATE.encode()).decode(), base64.b64encode(CERTIFICATE.encode()).decode()),
        ("outbound|80||web.shop.svc.cluster.local", "outbound|80||web.shop.svc.cluster.local"),
    ],
)
def test_texts(text: str, kept: str) -> None:
    assert scrubbed(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        f'start\n{{"authorization":"{HIDDEN}","path":"/"}}',
        f'x {{"client_secret": "a\\"{HIDDEN}"}}',
        f"':path', '/x'\n'cookie', 'sid={HIDDEN}'",
        f"level=info token={HIDDEN}",
        f'local api_key = "{HIDDEN}"',
    ],
)
def test_texts_in_which_a_name_stands_beside_the_value(text: str) -> None:
    assert HIDDEN not in scrubbed(text)
    assert HIDDEN not in json.dumps(without_secrets({"of": [text]}))


@pytest.mark.parametrize(
    "document",
    [
        {"header": {"key": "x-vault-token", "value": HIDDEN}},
        {"initial_metadata": [{"key": "api-key", "value": HIDDEN}]},
        {"set": {"x-amz-security-token": HIDDEN}},
        {"name": "cookie", "safe_regex": {"regex": HIDDEN}, "prefix_match": HIDDEN},
        {"when": [{"key": "request.headers[authorization]", "values": [HIDDEN], "notValues": [HIDDEN]}]},
        {"configuration": {"value": json.dumps({"client_secret": HIDDEN, "more": json.dumps({"token": HIDDEN})})}},
        {"users": {"inline_string": f"me:{HIDDEN}"}},
        {"secret_access_key": HIDDEN},
    ],
)
def test_documents_have_no_secret(document: dict[str, Any]) -> None:
    text = scrubbed(json.dumps(without_secrets(document)))
    assert HIDDEN not in text
    json.loads(text)


def test_documents_keep_their_shape() -> None:
    document: dict[str, Any] = {"token": None, "password": "", "api_key": ["a", 1], "token_review": "x", "apiKeys": "y"}
    assert without_secrets(document) == {
        "token": None,
        "password": "",
        "api_key": ["[redacted]", 1],
        "token_review": "x",
        "apiKeys": "[redacted]",
    }


def test_its_size_is_bounded(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.tar.gz", "report", 1000) as archive:
        archive.text("a", "x" * 600)
        archive.text("b", "y" * 600)
        archive.text("c", "z" * 300)
    assert archive.missing == ["b: there is no room for its 600 bytes (--max-size)"]
    with tarfile.open(tmp_path / "a.tar.gz") as written:
        assert written.getnames() == ["report/a", "report/c", "report/missing.txt"]


def test_nothing_in_it_leads_out_of_its_folder(tmp_path: Path) -> None:
    with Archive(tmp_path / "a.tar.gz", "report", 1000) as archive:
        archive.text("proxies/../../../etc//x", "x")
    with tarfile.open(tmp_path / "a.tar.gz") as written:
        assert written.getnames() == ["report/proxies/_/_/_/etc/_/x"]
