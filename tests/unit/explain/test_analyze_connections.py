"""What analysis says of TCP and TLS routes that take nothing."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.analyze import analyze

SERVICE = "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: shop}}, spec: {{ports: [{}]}}}}\n---\n"
ROUTED = (
    "{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: v, namespace: shop}}, spec: {}}}"
)
HTTP, TCP, TLS = (f"{{name: {name}, port: 80}}" for name in ("http", "tcp", "tls"))
TO = "route: [{destination: {host: web}}]"
NAME = "web.shop.svc.cluster.local"

CASES = {
    "TCP routes for HTTP alone": (HTTP, f"{{hosts: [web], tcp: [{{{TO}}}]}}", ["spec.tcp virtual-service.tcp-unused"]),
    "TCP routes for TCP": (TCP, f"{{hosts: [web], tcp: [{{{TO}}}]}}", []),
    "TCP routes for TLS": (TLS, f"{{hosts: [web], tcp: [{{{TO}}}]}}", ["spec.tcp virtual-service.tcp-unused"]),
    "TLS routes for TCP": (
        TCP,
        f"{{hosts: [web], tls: [{{match: [{{sniHosts: [{NAME}]}}], {TO}}}]}}",
        ["spec.tls virtual-service.tls-unused"],
    ),
    "TLS routes for TLS": (TLS, f"{{hosts: [web], tls: [{{match: [{{sniHosts: [{NAME}]}}], {TO}}}]}}", []),
    "TLS routes for a host of no service": (
        TLS,
        f"{{hosts: [a.test], tls: [{{match: [{{sniHosts: [a.test]}}], {TO}}}]}}",
        ["spec.hosts[0] virtual-service.host-unknown"],
    ),
    "a TCP route behind one for everything": (
        TCP,
        f"{{hosts: [web], tcp: [{{{TO}}}, {{match: [{{port: 80}}], {TO}}}]}}",
        ["spec.tcp[1] route.unreachable"],
    ),
    "a TCP route behind one for a port": (
        TCP,
        f"{{hosts: [web], tcp: [{{match: [{{port: 80}}], {TO}}}, {{{TO}}}]}}",
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("port", "spec", "expected"), CASES.values(), ids=CASES)
def test_findings(port: str, spec: str, expected: list[str]) -> None:
    builder = Builder()
    change = applied(builder, written(SERVICE.format(port) + ROUTED.format(spec)))
    problems = [each for each in analyze(change.snapshot, builder.problems) if each.at.object.kind == "VirtualService"]
    assert [f"{problem.at.dotted} {problem.code}" for problem in problems] == expected
