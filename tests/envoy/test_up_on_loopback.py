"""`plait up` without namespaces: real Envoys as explicit proxies on loopback, fed by the control plane."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from xds.local.pods import PodKey
from xds.local.settings import LocalSettings
from xds.up import up

pytestmark = pytest.mark.envoy

LIMIT = timedelta(seconds=60)
MANIFESTS = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {containers: [{name: c, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: plait/echo, ports: [{name: http, containerPort: 18081}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 8000, targetPort: 18081}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new}
    route: [{destination: {host: web}}]
  - route: [{destination: {host: web}}]
"""


async def test_routes_hold_through_the_explicit_proxy(tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(MANIFESTS)
    settings = LocalSettings(name="test-loopback", folder=tmp_path, loopback=True)
    async with up(tmp_path, settings, lambda line: None) as running:
        await running.until_ready(LIMIT)
        client = PodKey("shop", "client")
        for host in ("web:8000", "web.shop:8000", "web.shop.svc.cluster.local:8000"):
            answer = await running.mesh.exec(client, ["curl", "-sS", "--max-time", "10", f"http://{host}/old/x"])
            assert answer.returncode == 0, answer.stderr
            found = json.loads(answer.stdout)
            assert (found["pod"], found["path"]) == ("web", "/new/x")
