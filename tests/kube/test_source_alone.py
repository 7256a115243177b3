"""The Kubernetes source where kinds and the API server itself come and go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.kube.api_server import ApiServer
from tests.kube.following import following
from tests.kube.waiting import until
from xds.model.refs import ObjectRef
from xds.sources.kube_client import Expired, KubeClient

GROUP = "networking.istio.io"
ROUTE = ObjectRef(GROUP, "VirtualService", "default", "route")


def crd(*versions: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"kind": "VirtualService", "plural": "virtualservices", "singular": "virtualservice"}
    served = [
        {"name": each, "served": True, "storage": each == versions[0], "schema": schema, "subresources": {"status": {}}}
        for each in versions
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"virtualservices.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": served},
    }


def route(**spec: Any) -> dict[str, Any]:
    metadata = {"name": ROUTE.name, "namespace": ROUTE.namespace}
    return {"apiVersion": f"{GROUP}/v1beta1", "kind": "VirtualService", "metadata": metadata, "spec": spec}


async def expires(server: ApiServer) -> None:
    """A restarted API server knows nothing of the time before."""
    client = KubeClient(server.client().configuration)
    try:
        with pytest.raises(Expired, match="too old resource version"):
            async for _ in client.watch("/api/v1/namespaces", {"resourceVersion": "1", "timeoutSeconds": 5}):
                pass
    finally:
        await client.aclose()


async def test_a_kind_that_appears_later(own_api_server: ApiServer) -> None:
    server = own_api_server
    async with following(server.client()) as seen:
        kind = f"virtualservices.{GROUP}"
        assert seen.source.health().kinds[kind].served == ""
        await asyncio.to_thread(server.apply, crd("v1beta1", "v1alpha3"))
        wait = ("wait", "--for=condition=Established", f"crd/{kind}")
        await asyncio.to_thread(server.kubectl, *wait)
        await asyncio.to_thread(server.apply, route(hosts=["a.example"]))
        await until(lambda: seen.has(ROUTE))
        assert seen.source.health().kinds[kind].served == "v1beta1"

        await asyncio.to_thread(server.apply, route(hosts=["a.example"], http=[{"retries": {"attempts": -1}}]))
        await until(lambda: bool(seen.problems(ROUTE)))
        (problem,) = seen.problems(ROUTE)
        assert (problem.at.dotted, problem.code) == ("spec.http[0].retries.attempts", "field.integer")
        assert str(problem.origin).startswith("kubernetes:test@")
        assert seen.struct(ROUTE).spec.http == ()

        status = (
            "patch",
            "virtualservices",
            ROUTE.name,
            "--subresource=status",
            "--type=merge",
            "-p",
            '{"status":{"a":1}}',
        )
        await asyncio.to_thread(server.apply, route(hosts=["b.example"]))
        await until(lambda: seen.struct(ROUTE).spec.hosts == ("b.example",))
        assert not seen.problems(ROUTE)
        before, version = seen.struct(ROUTE), str(seen.origin(ROUTE))
        await asyncio.to_thread(server.kubectl, *status)
        await until(lambda: str(seen.origin(ROUTE)) != version)
        assert seen.struct(ROUTE) is before

        await asyncio.to_thread(server.kubectl, "delete", "crd", kind)
        await until(lambda: not seen.has(ROUTE))
        await until(lambda: seen.source.health().kinds[kind].served == "")


async def test_an_api_server_that_is_gone_takes_nothing_along(own_api_server: ApiServer) -> None:
    server = own_api_server
    names = [f"team-{number}" for number in range(6)]

    def create(*created: str) -> None:
        server.apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in created))

    await asyncio.to_thread(create, *names)
    async with following(server.client()) as seen:
        refs = [ObjectRef("", "Namespace", "", name) for name in names]
        assert set(refs) <= seen.first
        await asyncio.to_thread(server.stop)
        health = seen.source.health
        await until(
            lambda: all("Connect" in kind.problem or "Remote" in kind.problem for kind in health().kinds.values())
        )
        assert all(seen.has(ref) for ref in refs)
        assert health().synced
        told = len(seen.told)
        await asyncio.to_thread(server.start)
        await expires(server)
        await asyncio.to_thread(create, "team-6")
        await asyncio.to_thread(server.kubectl, "delete", "namespace", "team-0", "--wait=false")
        await until(lambda: seen.has(ObjectRef("", "Namespace", "", "team-6")))
        await until(lambda: all(kind.problem == "" for kind in health().kinds.values()))
        assert all(seen.has(ref) for ref in refs[1:])
        assert not any(change.deletes for change in seen.told[told:] if hasattr(change, "deletes"))
