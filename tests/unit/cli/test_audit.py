"""``plait audit`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from typer.testing import CliRunner, Result

from xds.admin.refusals import counted, latest, wanted
from xds.audit.record import Record
from xds.audit.refusal import Blame, Kind, Party, Refusal, Stage
from xds.cli.plait import app
from xds.model.refs import ObjectRef

POLICY = ObjectRef("security.istio.io", "AuthorizationPolicy", "shop", "no")
WEB = Party("shop", "web", "web-0", "10.0.0.1")


def refusal(source: Party, kind: Kind = Kind.REFUSED, *, blamed: bool = True) -> Refusal:
    return Refusal(
        when=datetime.now(UTC),
        kind=kind,
        stage=Stage.DENY,
        why="a DENY policy matches",
        source=source,
        destination=WEB,
        policies=(Blame(POLICY, 1, "deny.yaml:3"),) if blamed else (),
        port=8080,
        protocol="HTTP/1.1",
        method="GET",
        host="web",
        path="/a",
        status=403 if kind is Kind.REFUSED else 200,
    )


RECORD = Record()
RECORD.add(refusal(Party("c", "client", "client-0", "10.0.0.2", "spiffe://td/ns/c/sa/client", proven=True)))
RECORD.add(refusal(Party(address="10.9.9.9", principal="spiffe://td/ns/c/sa/boss"), Kind.HANDSHAKE, blamed=False))
RECORD.add(refusal(Party("c", "client", "client-0"), Kind.WOULD_REFUSE))


@contextmanager
def control_plane(record: Record = RECORD, answers: int = 1000) -> Iterator[str]:
    """The address of a server that tells a record so many times."""
    left = iter(range(answers))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(asked.query).items()}
            told: Any = latest(record, wanted(query)) if asked.path == "/debug/audit" else counted(record)
            self.send_response(503 if next(left, None) is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(told).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def run(*arguments: str) -> Result:
    with control_plane() as where:
        return CliRunner().invoke(app(), ["audit", "--http", where, *arguments])


def test_the_table() -> None:
    heading, first, second, _ = run().stdout.splitlines()
    assert heading.split() == ["TIME", "FROM", "TO", "REQUEST", "ANSWER", "POLICY"]
    by = "a DENY policy matches: AuthorizationPolicy shop/no rules[1] at deny.yaml:3"
    assert first.split("   ")[1:] == [*first.split("   ")[1:-1], by]
    assert "c/client" in first
    assert "GET web/a" in first
    assert "10.9.9.9 (claims spiffe://td/ns/c/sa/boss)" in second
    assert "no TLS" in second


def test_some_of_them() -> None:
    assert len(json.loads(run("--from", "client", "-o", "json").stdout)) == 2
    assert len(json.loads(run("--kind", "handshake", "-o", "json").stdout)) == 1
    assert len(json.loads(run("--to", "shop/web", "--since", "1h", "-o", "json").stdout)) == 3
    assert json.loads(run("--to", "nobody", "-o", "json").stdout) == []


def test_what_dry_runs_would_have_refused() -> None:
    _, only = run("--shadow").stdout.splitlines()
    assert only.startswith("AuthorizationPolicy shop/no rules[1] at deny.yaml:3   c/client   shop/web   1")
    assert run("--shadow", "--from", "other").stdout.startswith("no dry-run policy")


def test_a_stream_of_documents_until_the_control_plane_ends() -> None:
    with control_plane(answers=1) as where:
        lines = CliRunner().invoke(app(), ["audit", "--http", where, "-f", "-o", "json"])
    assert lines.exit_code == 2
    assert [json.loads(line)["kind"] for line in lines.stdout.splitlines()] == ["refused", "handshake", "would-refuse"]
    with control_plane(answers=1) as where:
        documents = CliRunner().invoke(app(), ["audit", "--http", where, "-f", "-o", "yaml"])
    assert [each["kind"] for each in yaml.safe_load_all(documents.stdout)] == ["refused", "handshake", "would-refuse"]


def test_what_makes_no_sense() -> None:
    for arguments in (["--since", "soon"], ["-f", "--shadow"]):
        result = run(*arguments)
        assert result.exit_code == 2, arguments
