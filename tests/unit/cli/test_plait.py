"""The command line as a whole: help, exit statuses, the texts of errors, and that starting it is cheap."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from xds import __version__
from xds.cli.plait import Plait, app

PUBLIC = [name for name, lazy in Plait.catalogue.items() if not lazy.hidden]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app(), arguments, prog_name="plait")


def test_help_lists_every_command_and_no_alias() -> None:
    result = run("--help")
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed == PUBLIC


@pytest.mark.parametrize("name", sorted(Plait.catalogue))
def test_each_command_has_a_help_of_its_own(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"plait {name}" in result.stdout or f" {name} " in result.stdout
    assert isinstance(importlib.import_module(Plait.catalogue[name].module).app, typer.Typer)


def test_without_a_command_the_help_is_shown_and_the_status_is_2() -> None:
    for arguments in ((), ("proxy-config",)):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "Commands:" in result.stdout


def test_version() -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"plait {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("anlyze",), "No such command 'anlyze'. Did you mean 'analyze'? (see plait --help)"),
        (("--nonsense",), "No such option: --nonsense"),
        (("bootstrap",), "Missing option '--node-id'. (see plait bootstrap --help)"),
        (("proxy-config", "clutser", "x"), "No such command 'clutser'."),
        (("analyze", "-o", "xml"), "'xml'"),
        (("analyze", "-f", "/no/such/folder"), "/no/such/folder: there is no such file or directory"),
        (("serve",), "say what to serve: --manifests DIR"),
        (("serve", "--manifests", "/no/such/folder"), "/no/such/folder: there is no such file or directory"),
        (("serve", "--manifests", "/tmp", "--in-cluster"), "rule each other out"),
        (("serve", "--manifests", "/tmp", "--token-issuer", "x"), "token_issuer and token_keys go together"),
        (("serve", "--manifests", "/tmp", "--http", "here"), "http must be host:port or unix:/path, is 'here'"),
        (("up", "/no/such/folder"), "/no/such/folder: there is no such file or directory"),
        (("proxy-status", "--http", "127.0.0.1:1"), "no control plane answers at 127.0.0.1:1"),
        (("proxy-status", "--mesh", "no-such-mesh"), "no local mesh"),
        (("proxy-config", "cluster", "web", "--http", "unix:/no/such/socket"), "no control plane answers at unix:"),
        (("proxy-config", "cluster"), "say which proxy"),
        (("echo", "--https", "0"), "--https needs --tls CERT KEY"),
    ],
)
def test_an_error_is_one_line_on_stderr_and_status_2(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("plait: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_bug_is_told_without_a_traceback_unless_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dump.json").write_text('{"configs": 1}')
    arguments = ("proxy-config", "cluster", "-f", str(tmp_path / "dump.json"))
    result = run(*arguments)
    assert result.exit_code == 2
    assert "a bug in plait: TypeError" in result.stderr
    assert "dump.py:" in result.stderr
    monkeypatch.setenv("PLAIT_TRACEBACK", "1")
    assert isinstance(run(*arguments).exception, TypeError)


_OF_WEIGHT = frozenset(
    {
        "cryptography", "google.protobuf", "grpc", "httpx", "hypercorn", "kubernetes", "pydantic", "requests", "rich",
        "starlette", "urllib3", "xds.app", "xds.decoders.build", "xds.pipeline", "yaml",
    }
)  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "version",
        "completion bash",
        "proxy-status --help",
        "proxy-status --http 127.0.0.1:1",
        "analyze --http 127.0.0.1:1",
        "explain --help",
        "history --http 127.0.0.1:1",
        "top --help",
        "proxy-config --help",
        "wait --help",
        "exec --help",
        "up --help",
        "serve --help",
    ],
)
def test_a_command_imports_no_library_that_it_does_not_use(arguments: str, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from xds.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print('imported:', *sys.modules, file=sys.stderr)\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": "", "PLAIT_HTTP": "127.0.0.1:1"}
    command = [sys.executable, "-c", code, *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    _, told, imported = done.stderr.partition("imported:")
    assert told
    assert _OF_WEIGHT & set(imported.split()) == set()


def test_completion_offers_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def offered(words: str, index: int) -> list[str]:
        environment = {"_PLAIT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(index)}
        result = CliRunner().invoke(app(), prog_name="plait", env=environment)
        return result.stdout.split()

    assert offered("plait proxy", 1) == ["proxy-status", "proxy-config"]
    assert offered("plait proxy-config rou", 2) == ["route"]
    assert offered("plait analyze --outp", 2) == ["--output-threshold", "--output"]


@pytest.mark.parametrize("command", [("up",), ("serve", "--xds-plaintext", "127.0.0.1:0", "--manifests")])
def test_a_level_of_the_log_that_is_none_is_a_usage_error(command: tuple[str, ...], tmp_path: Path) -> None:
    result = run(*command, str(tmp_path), "--log-level", "loud")
    assert result.exit_code == 2
    assert "--log-level loud: must be debug, info, warning or error" in result.stderr
