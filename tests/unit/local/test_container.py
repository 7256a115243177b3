"""What containers run as."""

from __future__ import annotations

import sys

import pytest

from xds.local.container import argv, environment, expand, is_echo
from xds.local.pods import Container, ContainerPort, EnvVar, PodSpec
from xds.model.problem import Problems
from xds.model.refs import FieldRef, ObjectRef

AT = FieldRef(ObjectRef("", "Pod", "shop", "web")) / "spec.containers[0]"
ECHO = (sys.executable, "-m", "xds.local.echo")


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("plait/echo", True),
        ("plait/echo:1.2", True),
        ("ghcr.io/plait/echo:latest", True),
        ("localhost:5000/plait/echo@sha256:abc", True),
        ("echo", False),
        ("other/echo", False),
        ("plait/echoes", False),
        ("", False),
    ],
)
def test_which_image_is_ours(image: str, wanted: bool) -> None:
    assert is_echo(image) is wanted


def test_command_lines() -> None:
    found = Problems()
    ports = (
        ContainerPort(80, "http-web"),
        ContainerPort(70, "grpc"),
        ContainerPort(90, "tcp-x"),
        ContainerPort(5, "d", "UDP"),
    )
    assert argv(Container("a", command=("x",), args=("y",)), AT, found) == ("x", "y")
    wanted = (*ECHO, "--http", "80", "--grpc", "70", "--tcp", "90")
    assert argv(Container("a", image="plait/echo", ports=ports), AT, found) == wanted
    assert argv(Container("a", image="plait/echo"), AT, found) == (*ECHO, "--http", "8080")
    assert argv(Container("a", image="plait/echo", args=("--tcp", "1")), AT, found) == (*ECHO, "--tcp", "1")
    assert not len(found)
    assert argv(Container("a", image="nginx"), AT, found) is None
    assert [problem.code for problem in found] == ["container.no-command"]


def test_environment_has_fields_of_the_pod() -> None:
    env = (
        EnvVar("NAME", field_path="metadata.name"),
        EnvVar("IP", field_path="status.podIP"),
        EnvVar("TIER", field_path="metadata.labels['tier.x/y']"),
        EnvVar("URL", "http://$(IP)/$(NOPE)/$$(IP)"),
        EnvVar("POD_NAME", "mine"),
    )
    container = Container("a", env=env)
    pod = PodSpec("shop", "web-0", (container,), labels={"version": "v2", "tier.x/y": "front"})
    got = environment(pod, container, ("10.77.0.2",), {"PATH": "/bin", "SECRET": "x", "http_proxy": "y"})
    assert (got["NAME"], got["IP"], got["TIER"]) == ("web-0", "10.77.0.2", "front")
    assert got["URL"] == "http://10.77.0.2/$(NOPE)/$(IP)"
    assert (got["POD_NAME"], got["POD_NAMESPACE"], got["VERSION"]) == ("mine", "shop", "v2")
    assert got["PATH"].endswith(":/bin")
    assert not {"SECRET", "http_proxy"} & set(got)
    assert expand(("$(NAME)", "$(NO)"), got) == ("web-0", "$(NO)")
