"""The node agent and a real API server: which pods it serves, and how soon."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.fake_pods import FakePod, wait_for
from tests.kube.api_server import ApiServer
from xds.cni.agent import NodeAgent
from xds.cni.sandbox import network_of
from xds.model.interception import ANNOTATION
from xds.sources.kube_client import KubeClient

pytestmark = [pytest.mark.netns, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
_NUMBERS = itertools.count()


def pod_object(api: ApiServer, namespace: str, node: str, asked: str | None = "{}", **spec: Any) -> tuple[str, str]:
    """Name and UID of a new pod."""
    name = f"agent-{next(_NUMBERS)}"
    annotations = {} if asked is None else {ANNOTATION: asked}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    body = {"nodeName": node, "containers": [{"name": "app", "image": "none"}], **spec}
    api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": body})
    return name, api.kubectl("-n", namespace, "get", "pod", name, "-o", "jsonpath={.metadata.uid}").stdout


@contextlib.asynccontextmanager
async def agent(api: ApiServer, node: str) -> AsyncIterator[None]:
    client = KubeClient(api.client().configuration)
    task = asyncio.create_task(NodeAgent(client, node, frozenset({network_of("self")})).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await client.aclose()


async def comes(condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(wait_for, condition)


async def test_pods_of_its_node_that_ask(api_server: ApiServer, namespace: str) -> None:
    node = f"node-{namespace}"
    with contextlib.ExitStack() as kept:

        def fake(named: tuple[str, str], **how: bool) -> FakePod:
            made = FakePod(named[1], **how)
            kept.callback(made.close)
            return made

        before = fake(pod_object(api_server, namespace, node))
        elsewhere = fake(pod_object(api_server, namespace, f"{node}-other"))
        silent = fake(pod_object(api_server, namespace, node, None))
        odd = fake(pod_object(api_server, namespace, node, "*nat\n-A OUTPUT -j DROP\nCOMMIT"))
        claims = fake(pod_object(api_server, namespace, node, hostNetwork=True))
        fake(pod_object(api_server, namespace, node), host_network=True)
        async with agent(api_server, node):
            await comes(lambda: before.intercepted)
            named = pod_object(api_server, namespace, node)  # its process comes after it is known
            late = fake(named)
            await comes(lambda: late.intercepted)
        assert not any(each.intercepted for each in (elsewhere, silent, odd, claims))


async def test_a_pod_that_is_made_anew_gets_its_rules_again(api_server: ApiServer, namespace: str) -> None:
    node = f"node-{namespace}"
    name, uid = pod_object(api_server, namespace, node)
    async with agent(api_server, node):
        first = FakePod(uid)
        try:
            await comes(lambda: first.intercepted)
        finally:
            first.close()
        second = FakePod(uid)
        try:
            api_server.kubectl("-n", namespace, "label", "pod", name, "restarted=yes")  # as the kubelet's status would
            await comes(lambda: second.intercepted)
        finally:
            second.close()
