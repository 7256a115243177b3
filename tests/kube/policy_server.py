"""An API server with two of Istio's kinds: one whose status is written apart, one whose is not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.kube.api_server import ApiServer, binaries
from xds.model.refs import ObjectRef


@dataclass(frozen=True, slots=True)
class InForce:
    """An object as a store has it."""

    ref: ObjectRef
    generation: int = 1


def reviews(name: str = "reviews", namespace: str = "default") -> ObjectRef:
    """The name of a VirtualService."""
    return ObjectRef("networking.istio.io", "VirtualService", namespace, name)


def apply_services(server: ApiServer, *names: str) -> None:
    """Make VirtualServices."""
    server.apply(
        *[
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"hosts": ["a"]},
            }
            for name in names
        ]
    )


def get(server: ApiServer, *what: str) -> dict[str, Any]:
    """What kubectl gets."""
    found: dict[str, Any] = json.loads(server.kubectl("get", *what, "-o", "json").stdout)
    return found


def conditions_of(server: ApiServer, name: str) -> dict[str, dict[str, Any]]:
    """The conditions of a VirtualService by type."""
    status = get(server, "virtualservice", name).get("status", {})
    return {each["type"]: each for each in status.get("conditions", [])}


def policy_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """The server, for a fixture."""
    assets = binaries()
    if assets is None:
        pytest.skip("no kube-apiserver here: `make kubernetes` builds it, or KUBEBUILDER_ASSETS names its folder")
    server = ApiServer(tmp_path_factory.mktemp("kube"), assets)
    try:
        server.start()
        server.apply(
            _definition("networking.istio.io", "VirtualService", "virtualservices", {"status": {}}),
            _definition("security.istio.io", "PeerAuthentication", "peerauthentications", {}),
        )
        server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield server
    finally:
        server.close()


def _definition(group: str, kind: str, plural: str, subresources: dict[str, Any]) -> dict[str, Any]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": subresources,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


@asynccontextmanager
async def running(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have ``work()`` done meanwhile."""
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        results = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError), results
