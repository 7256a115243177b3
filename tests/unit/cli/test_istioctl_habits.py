"""What somebody types who knows istioctl: it works, or the error names what is here instead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.envoy.manifests import (
    destination_rule,
    documents,
    namespace,
    pod,
    security,
    service,
    subsets,
    to,
    virtual_service,
)
from xds.cli.istioctl import DASHBOARDS, ELSEWHERE, EXPERIMENTAL
from xds.cli.plait import app

TABLE = Path(__file__).parents[3] / "docs" / "istioctl.md"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app(), [*arguments], prog_name="plait")


@pytest.fixture
def shop(tmp_path: Path) -> str:
    file = tmp_path / "shop.yaml"
    file.write_text(
        documents(
            namespace("shop"),
            pod("web-v1", account="web"),
            pod("web-v2", account="web"),
            pod("db-v1"),
            service("web"),
            service("db", {"name": "tcp", "port": 5432}),
            virtual_service("web", {"route": [to("web", "v1")]}),
            virtual_service("site.example", {"route": [to("web")]}, name="site", gateways=["edge"]),
            destination_rule("web", subsets=subsets("v1", "v2")),
            security("PeerAuthentication", "strict", mtls={"mode": "STRICT"}),
            security("AuthorizationPolicy", "readers", selector={"matchLabels": {"app": "web"}}, rules=[{}]),
            security("AuthorizationPolicy", "others", selector={"matchLabels": {"app": "db"}}, rules=[{}]),
        )
    )
    return str(file)


@pytest.mark.parametrize("word", sorted(ELSEWHERE))
def test_a_command_of_istioctl_is_answered_with_ours(word: str) -> None:
    result = run(word, "whatever", "-n", "shop")
    assert result.exit_code == 2
    assert result.stderr == f"plait: error: `{word}` is a command of istioctl; here: {ELSEWHERE[word]}\n"


@pytest.mark.parametrize("group", ["x", "experimental"])
@pytest.mark.parametrize("word", sorted(EXPERIMENTAL))
def test_so_is_an_experimental_one(group: str, word: str) -> None:
    result = run(group, word, "list")
    assert result.exit_code == 2
    assert EXPERIMENTAL[word] in result.stderr


@pytest.mark.parametrize("word", sorted(DASHBOARDS))
def test_other_dashboards(word: str) -> None:
    assert DASHBOARDS[word] in run("dashboard", word, "web-1.shop").stderr


def test_authz_check_names_what_judges() -> None:
    assert "`plait describe pod web-v1`" in run("x", "authz", "check", "web-v1").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        "kube-inject",
        "dash",
        "pc all",
        "pc clusters",
        "pc ep",
        "pc log",
        "ps",
        "x describe pod",
        "x describe svc",
        "x wait",
        "x proxy-status",
        "x version",
        "experimental authz suggest",
    ],
)
def test_spellings_of_istioctl_are_commands(arguments: str) -> None:
    result = run(*arguments.split(), "--help")
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("group", [(), ("x",)])
def test_describe_pod(shop: str, group: tuple[str, ...]) -> None:
    result = run(*group, "describe", "pod", "web-v1.shop", "-f", shop)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[:11] == [
        "Pod: web-v1.shop",
        "  Workload: web-v1, service account web",
        "  Proxy: sidecar",
        "  Mutual TLS: STRICT",
        "  PeerAuthentication shop/strict",
        "  AuthorizationPolicy shop/readers",
        "Service: web.shop.svc.cluster.local",
        "  Port: 80 http (HTTP) -> 8080",
        "  DestinationRule shop/web, subsets v1",
        "  VirtualService shop/site, hosts site.example at gateways edge",
        "  VirtualService shop/web",
    ]
    assert {line.rpartition(" ")[2] for line in lines[11:-1]} == {
        "[virtual-service.gateway-unknown]",
        "[virtual-service.subsets-of-mesh]",
    }


def test_describe_service_as_json(shop: str) -> None:
    result = run("describe", "service", "web", "-n", "shop", "-f", shop, "-o", "json")
    told = json.loads(result.stdout)
    assert told["service"] == "web.shop.svc.cluster.local"
    assert told["pods"] == ["shop/web-v1", "shop/web-v2"]
    assert told["subsets"] == ["v1", "v2"]
    assert [each["object"] for each in told["routes"]] == ["VirtualService shop/site", "VirtualService shop/web"]
    assert told["rule"] == "DestinationRule shop/web"


def test_describe_what_is_not_there(shop: str) -> None:
    assert "there is no service 'wob'" in run("describe", "svc", "wob", "-f", shop).stderr
    assert "did you mean: web-v2.shop, web-v1.shop" in run("describe", "pod", "web-v3", "-f", shop).stderr


def test_validate_is_of_each_object_by_itself(shop: str, tmp_path: Path) -> None:
    result = run("validate", "-f", shop)
    assert (result.exit_code, result.stdout) == (0, "no problems found\n")
    bad = tmp_path / "bad.yaml"
    bad.write_text(documents(virtual_service("nobody", {"route": [to("nobody", weight=-1)]})))
    result = run("validate", str(bad), "-o", "json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)
    assert (found["code"], found["object"]) == ("field.integer", "VirtualService shop/nobody")
    assert "say which manifests" in run("validate").stderr


def test_analyze_of_a_namespace(tmp_path: Path) -> None:
    for place in ("shop", "bank"):
        rule = virtual_service("nobody", {"route": [to("nobody")]}, namespace=place)
        (tmp_path / f"{place}.yaml").write_text(documents(namespace(place), rule))

    def objects(*arguments: str) -> set[str]:
        found = json.loads(run("analyze", str(tmp_path), "-o", "json", *arguments).stdout)
        return {each["object"].partition(" ")[2].partition("/")[0] for each in found}

    assert objects("-n", "bank") == {"bank"}
    assert objects("-A", "-R") == objects() >= {"bank", "shop"}


def test_the_table_has_every_word() -> None:
    text = TABLE.read_text()
    missing = [word for word in (*ELSEWHERE, *EXPERIMENTAL, *DASHBOARDS) if f"`{word}`" not in text]
    assert not missing
