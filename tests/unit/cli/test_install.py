"""``plait install print``, and what is refused before any cluster is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from xds.cli.plait import app
from xds.install.manifests import manifests
from xds.install.values import Values


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app(), list(words), input=stdin, prog_name="plait")


def test_it_prints_the_manifests() -> None:
    printed = run("install", "print")
    assert printed.exit_code == 0, printed.output
    assert list(yaml.safe_load_all(printed.output)) == json.loads(json.dumps(manifests(Values())))


def test_it_prints_one_list_for_programs() -> None:
    printed = run("install", "print", "-o", "json", "--revision", "canary", "-n", "mesh")
    wanted = manifests(Values(revision="canary", namespace="mesh"))
    assert json.loads(printed.output)["items"] == json.loads(json.dumps(wanted))


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("replicas: 2\nlogLevel: debug\n")
    printed = run("install", "print", "--values", str(file), "--set", "replicas=3")
    (deployment,) = (each for each in yaml.safe_load_all(printed.output) if each["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 3
    assert "debug" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]


def test_values_come_from_stdin_too() -> None:
    printed = run("install", "print", "-f", "-", stdin="revision: canary\n")
    assert "name: plait-canary\n" in printed.output


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        (("--set", "replicas=many"), "", "values: Expected `int`, got `str` - at `replicas`"),
        (("-f", "-"), "- a\n", "must be a mapping of values"),
        (("-f", "-"), "a: [\n", "plait: error: -: "),
        (("-f", "-"), "colour: blue\n", "unknown field `colour`"),
    ],
)
def test_what_is_no_value_is_refused(words: tuple[str, ...], stdin: str, told: str) -> None:
    refused = run("install", "print", *words, stdin=stdin)
    assert refused.exit_code == 2
    assert told in refused.output


def test_options_stand_after_print() -> None:
    refused = run("install", "--set", "replicas=3", "print")
    assert refused.exit_code == 2
    assert "after the word print" in refused.output


@pytest.mark.parametrize("words", [("install",), ("uninstall",), ("tag", "list")])
def test_a_cluster_that_is_none_is_said(words: tuple[str, ...], tmp_path: Path) -> None:
    refused = run(*words, "--kubeconfig", str(tmp_path / "none"))
    assert refused.exit_code == 2
    assert "say which cluster with --kubeconfig" in refused.output


def test_an_api_server_that_does_not_answer_is_said(tmp_path: Path) -> None:
    cluster = {"cluster": {"server": "http://127.0.0.1:1"}, "name": "c"}
    context = {"context": {"cluster": "c", "user": "u"}, "name": "x"}
    config = {"clusters": [cluster], "users": [{"name": "u", "user": {}}], "contexts": [context]}
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", "current-context": "x", **config}))
    for words in (("install",), ("uninstall",), ("tag", "list")):
        refused = run(*words, "--kubeconfig", str(file))
        assert refused.exit_code == 2
        assert "http://127.0.0.1:1 does not answer" in refused.output
