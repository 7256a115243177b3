"""What one VirtualService may cost everybody: each of its routes is made for each of its hosts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from xds.decoders.build import Builder


def virtual_service(hosts: int, matches: int) -> dict[str, Any]:
    match = [{"uri": {"prefix": f"/{number}"}} for number in range(matches)]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "many", "namespace": "shop"},
        "spec": {
            "hosts": [f"h{number}.example" for number in range(hosts)],
            "http": [{"match": match, "directResponse": {"status": 200}}],
        },
    }


@pytest.mark.parametrize(("hosts", "matches", "refused"), [(1, 16_384, False), (300, 100, False), (400, 200, True)])
def test_hosts_times_routes_are_bounded(hosts: int, matches: int, refused: bool) -> None:
    builder = Builder()
    applied(builder, [made(virtual_service(hosts, matches))])
    assert ([problem.code for problem in builder.problems] == ["virtual-service.size"]) is refused
