"""The Gateway API in a cluster: a class, routers for Gateways, what each object says; with the rights asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.kube.api_server import ApiServer
from tests.kube.gateway_api import api_server, gateway, http_route, serve
from tests.kube.policy_server import get, running
from tests.kube.waiting import until_there
from xds.install import access
from xds.install.control_plane import namespace
from xds.install.values import Values
from xds.serving import serve as control_plane
from xds.settings import Settings

VALUES = Values()
THEIRS = {
    "type": "Accepted",
    "status": "True",
    "reason": "Accepted",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
FOREIGN = {"parentRef": {"name": "other"}, "controllerName": "example.com/other", "conditions": [THEIRS]}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with the control plane's account, and without the Gateway API at first."""
    for server in api_server(tmp_path_factory):
        rights = (access.cluster_role, access.cluster_role_binding, access.role, access.role_binding)
        server.apply(namespace(VALUES), access.service_account(VALUES), *(each(VALUES) for each in rights))
        yield server


@asynccontextmanager
async def served(server: ApiServer, folder: Path) -> AsyncIterator[None]:
    """A control plane, with no other rights than its own."""
    account = f"--namespace={VALUES.namespace}"
    token = server.kubectl("create", "token", VALUES.name, account).stdout.strip()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(server.kubeconfig_text(token))
    nowhere = "127.0.0.1:0"
    settings = Settings(
        kubeconfig=kubeconfig, namespace=VALUES.namespace, xds=nowhere, http=nowhere, prover="off", state_dir=folder
    )
    with capture_logs() as logs:
        async with running(lambda: control_plane(settings, lambda: None)):
            yield
    forbidden = [each for each in logs if "403" in str(each.get("reason"))]
    assert not forbidden


def conditions(found: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Status and reason of conditions, by type."""
    return {each["type"]: (each["status"], each["reason"]) for each in found.get("conditions", [])}


def status(server: ApiServer, kind: str, name: str) -> dict[str, Any]:
    """The status of an object; empty without one, and where it is not there."""
    done = server.kubectl("get", kind, name, "-o", "json", check=False)
    found: dict[str, Any] = json.loads(done.stdout).get("status", {}) if done.returncode == 0 else {}
    return found


def exists(server: ApiServer, *what: str) -> bool:
    """Whether kubectl finds it."""
    return server.kubectl("get", *what, check=False).returncode == 0


async def test_gateways_come_true(bare: ApiServer, tmp_path: Path) -> None:
    async with served(bare, tmp_path):
        await until_there(lambda: exists(bare, "lease", "plait-leader", f"--namespace={VALUES.namespace}"))
        serve(bare)  # the definitions come while it serves
        await until_there(
            lambda: conditions(status(bare, "gatewayclass", "plait")).get("Accepted") == ("True", "Accepted"),
            within_s=40,
        )
        assert "HTTPRoute" in {each["name"] for each in status(bare, "gatewayclass", "plait")["supportedFeatures"]}

        bare.apply(gateway("edge"), http_route("shop", "edge", "other"), http_route("foreign", "nobody"))
        await until_there(lambda: exists(bare, "deployment", "edge-plait"))
        owner = get(bare, "deployment", "edge-plait")["metadata"]["ownerReferences"][0]
        assert owner["uid"] == get(bare, "gateway", "edge")["metadata"]["uid"]
        await until_there(lambda: status(bare, "gateway", "edge").get("addresses"))
        said = status(bare, "gateway", "edge")
        assert said["addresses"] == [
            {"type": "IPAddress", "value": get(bare, "service", "edge-plait")["spec"]["clusterIP"]}
        ]
        assert conditions(said)["Accepted"] == ("True", "Accepted")
        assert conditions(said)["Programmed"] == ("False", "Pending")  # there are no pods here

        await until_there(lambda: status(bare, "httproute", "shop").get("parents"))
        (parent,) = status(bare, "httproute", "shop")["parents"]
        assert parent["controllerName"] == "plait.dev/gateway-controller"
        assert conditions(parent) == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("False", "BackendNotFound")}
        await until_there(lambda: status(bare, "gateway", "edge")["listeners"][0]["attachedRoutes"] == 1)
        assert "status" not in get(bare, "httproute", "foreign")


async def test_what_others_say_stays_and_what_is_deleted_is_made_again(bare: ApiServer, tmp_path: Path) -> None:
    serve(bare)
    async with served(bare, tmp_path):
        bare.apply(gateway("front"), http_route("both", "front"))
        await until_there(lambda: status(bare, "httproute", "both").get("parents"))
        ours = status(bare, "httproute", "both")["parents"]
        patch = {"status": {"parents": [FOREIGN, *ours]}}
        _patch_status(bare, "httproute", "both", patch)
        changed = http_route("both", "front")
        changed["spec"]["rules"][0]["backendRefs"][0]["name"] = "somebody"
        bare.apply(changed)

        def names() -> list[str]:
            return [each["controllerName"] for each in status(bare, "httproute", "both")["parents"]]

        def generations() -> set[int]:
            of_ours = status(bare, "httproute", "both")["parents"][-1]["conditions"]
            return {each["observedGeneration"] for each in of_ours}

        await until_there(lambda: generations() == {2})
        assert names() == ["example.com/other", "plait.dev/gateway-controller"]
        after = status(bare, "httproute", "both")["parents"][-1]["conditions"]
        times = {each["type"]: each["lastTransitionTime"] for each in ours[0]["conditions"]}
        assert {each["type"]: each["lastTransitionTime"] for each in after} == times

        bare.kubectl("delete", "service", "front-plait")
        await until_there(lambda: exists(bare, "service", "front-plait"))
        before = get(bare, "httproute", "both")["metadata"]["resourceVersion"]
    async with served(bare, tmp_path):  # who leads next has nothing to say that is not said
        bare.apply(http_route("later", "front"))
        await until_there(lambda: status(bare, "httproute", "later").get("parents"))
    assert get(bare, "httproute", "both")["metadata"]["resourceVersion"] == before


async def test_an_object_of_somebody_else_by_that_name_is_not_taken(bare: ApiServer, tmp_path: Path) -> None:
    serve(bare)
    ports = [{"name": "own", "port": 80, "targetPort": 8080}]
    metadata = {"name": "taken-plait", "namespace": "default"}
    own = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"ports": ports, "selector": {"a": "b"}},
    }
    bare.apply(own, gateway("taken"))
    async with served(bare, tmp_path):
        await until_there(
            lambda: conditions(status(bare, "gateway", "taken")).get("Programmed", ("", ""))[1] == "NoResources"
        )
    assert get(bare, "service", "taken-plait")["spec"]["selector"] == {"a": "b"}


def _patch_status(server: ApiServer, kind: str, name: str, body: dict[str, Any]) -> None:
    server.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", json.dumps(body))
