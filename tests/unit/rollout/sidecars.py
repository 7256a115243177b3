"""Sidecars that are no Envoys: each speaks delta xDS to a control plane, takes everything, and knows what it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc.aio

from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.wire.type_urls import CLUSTER, ENDPOINT, LISTENER, ROUTE, VIRTUAL_HOST

WEB = "outbound|80||web.shop.svc.cluster.local"
_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"


@dataclass
class Sidecar:
    """One of a pod in the namespace shop. ``held`` is the body of each resource by type and name."""

    name: str
    address: str
    labels: dict[str, str]
    refuses: Callable[[str, bytes], bool] = lambda _, __: False
    held: dict[tuple[str, str], bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    async def run(self, target: str) -> None:
        """Follow the control plane at ``target``, until cancelled."""
        async with grpc.aio.insecure_channel(target) as channel:
            call: Any = channel.stream_stream(_METHOD)()
            for type_url, names in (
                (CLUSTER, ()),
                (ENDPOINT, (WEB,)),
                (LISTENER, ()),
                (ROUTE, ("80",)),
                (VIRTUAL_HOST, ()),
            ):
                request = discovery_pb2.DeltaDiscoveryRequest(type_url=type_url, resource_names_subscribe=names)
                request.node.id = f"sidecar~{self.address}~{self.name}.shop~shop.svc.cluster.local"
                request.node.user_agent_name = "envoy"
                request.node.metadata.update({"NAMESPACE": "shop", "NAME": self.name, "LABELS": self.labels})
                await call.write(request.SerializeToString())
            while True:
                await self._answer(call, discovery_pb2.DeltaDiscoveryResponse.FromString(await call.read()))

    async def _answer(self, call: Any, response: Any) -> None:
        answer = discovery_pb2.DeltaDiscoveryRequest(type_url=response.type_url, response_nonce=response.nonce)
        bad = [each.name for each in response.resources if self.refuses(each.name, each.resource.value)]
        self.sent += [each.name for each in response.resources]
        if bad:
            answer.error_detail.code = 13
            answer.error_detail.message = f"{bad[0]} is bad"
        else:
            self.held.update({(response.type_url, each.name): each.resource.value for each in response.resources})
            for name in response.removed_resources:
                self.held.pop((response.type_url, name), None)
        await call.write(answer.SerializeToString())


@asynccontextmanager
async def running(target: str, *sidecars: Sidecar) -> AsyncIterator[None]:
    """These while they run."""
    tasks = [asyncio.create_task(each.run(target)) for each in sidecars]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
