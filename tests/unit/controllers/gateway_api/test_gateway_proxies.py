"""What is made for a Gateway takes nothing over that somebody else has made under its name."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from xds.controllers.gateway_api.gateway_proxies import GatewayProxies
from xds.model.gateway_api import GATEWAY_NAME
from xds.model.refs import ObjectRef
from xds.model.well_known import OURS

GATEWAY = ObjectRef("gateway.networking.k8s.io", "Gateway", "shop", "edge")
LABELS = {**OURS, GATEWAY_NAME: "edge"}
OWNER = {"kind": "Gateway", "name": "edge", "uid": "1"}
Plain = dict[str, Any]


def wanted(kind: str, api_version: str) -> Plain:
    metadata = {"name": "edge-plait", "namespace": "shop", "labels": LABELS, "ownerReferences": [OWNER]}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


OBJECTS = (wanted("ServiceAccount", "v1"), wanted("Deployment", "apps/v1"), wanted("Service", "v1"))


class ApiServer:
    """Has some objects, by the end of their path, and hears what is applied; as the client that calls it."""

    def __init__(self, **there: Plain) -> None:
        self.there = there
        self.hidden: dict[str, Plain] = {}
        self.applied: list[str] = []
        self.bodies: list[Plain] = []

    def param_serialize(self, **call: Any) -> tuple[Any, ...]:
        return (call,)

    def call_api(self, call: Plain, **_: Any) -> Any:
        if call["method"] == "POST":
            plural = call["resource_path"].split("/")[-1]
            fields = [{"manager": dict(call["query_params"])["fieldManager"], "operation": "Update"}]
            made = {**call["body"]["metadata"], "uid": "7", "resourceVersion": "1", "managedFields": fields}
            return answer(409, {}) if plural in self.hidden else answer(201, {"metadata": made})
        plural = call["resource_path"].split("/")[-2]
        if call["method"] != "GET":
            self.bodies.append(call["body"])
            if "apply" in call["header_params"]["Content-Type"]:
                self.applied.append(plural)
            return answer(200, {})
        return answer(200, {"metadata": self.there[plural]}) if plural in self.there else answer(404, {})


def answer(status: int, body: Plain) -> Any:
    text = json.dumps(body).encode()
    return SimpleNamespace(status=status, reason="", data=text, read=lambda: text, getheaders=dict, headers={})


async def brought(server: ApiServer) -> str:
    """Why they are not there after one round; empty when they are."""
    proxies = GatewayProxies(server, lambda: {GATEWAY: OBJECTS}, lambda ref: True)
    running = asyncio.create_task(proxies.run())
    deadline = asyncio.get_running_loop().time() + 10
    while not proxies.failures and len(server.applied) < len(OBJECTS):
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return proxies.failures.get(GATEWAY, "")


@pytest.mark.parametrize(
    "metadata",
    [{}, {"labels": {"app": "shop"}}, {"labels": dict(OURS)}, {"ownerReferences": [{"kind": "Gateway", "uid": "2"}]}],
)
async def test_what_is_somebody_elses_is_left_alone_and_told(metadata: Plain) -> None:
    server = ApiServer(services=metadata)
    assert "Service shop/edge-plait is there already" in await brought(server)
    assert not server.applied


@pytest.mark.parametrize("metadata", [{"labels": LABELS}, {"ownerReferences": [OWNER]}])
async def test_what_was_made_for_the_gateway_is_changed(metadata: Plain) -> None:
    server = ApiServer(services=metadata, deployments=metadata)
    assert await brought(server) == ""
    assert server.applied == ["serviceaccounts", "deployments", "services"]


async def test_what_somebody_makes_between_the_look_and_the_deed_is_left_alone() -> None:
    server = ApiServer()
    server.hidden = {"serviceaccounts": {}}
    assert "ServiceAccount shop/edge-plait was made by somebody else" in await brought(server)
    assert not server.applied


async def test_what_is_made_is_the_one_that_is_changed_later() -> None:
    server = ApiServer()
    assert await brought(server) == ""
    adopted, applied = server.bodies[:2]
    assert adopted["metadata"]["managedFields"] == [{"manager": "plait", "operation": "Apply"}]
    assert applied["metadata"]["uid"] == "7"
