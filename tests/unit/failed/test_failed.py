"""What proxies tell of failures, from their entries to the page."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests.objects import applied, written
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from xds.decoders.build import Builder
from xds.failed.failed import CALLS_TOLD, Failed
from xds.failed.pages import routes
from xds.model.proxy import Proxy

POD = """
apiVersion: v1
kind: Pod
metadata: {name: api-1, namespace: shop}
spec: {containers: [{name: app, image: x}]}
status: {podIP: 10.0.0.2}
"""
WEB = Proxy("web", namespace="shop", name="web-1", addresses=("10.0.0.1",))
OTHER = Proxy("other", namespace="shop", name="other-1", addresses=("10.0.0.3",))


def entry(status: int, request_id: str = "", upstream: str = "10.0.0.2") -> HTTPAccessLogEntry:
    where = {"socket_address": {"address": upstream, "port_value": 8080}}
    return HTTPAccessLogEntry(
        common_properties={"upstream_remote_address": where, "upstream_cluster": "outbound|80||api"},
        request={"request_id": request_id, "authority": "api", "path": "/", "request_method": 1},
        response={"response_code": {"value": status}, "response_code_details": "via_upstream"},
    )


@pytest.fixture
def failed() -> Failed:
    builder = Builder()
    applied(builder, written(POD))
    return Failed(lambda: builder.snapshot)


async def page(failed: Failed, query: str = "") -> Any:
    transport = httpx.ASGITransport(app=Starlette(routes=routes(failed)))
    async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
        return (await client.get(f"/debug/failures{query}")).json()


async def test_who_had_the_address_is_kept_with_it(failed: Failed) -> None:
    failed.take(WEB, [entry(200), entry(500, "a"), entry(500, "b", "10.0.0.9")], dropped=3)
    told = await page(failed)
    assert told["dropped"] == 3
    found = {call["upstream"]: call.get("upstream_pod", "") for kind in told["failures"] for call in kind["latest"]}
    assert found == {"10.0.0.2:8080": "shop/api-1", "10.0.0.9:8080": ""}


async def test_a_proxy_tells_of_itself(failed: Failed) -> None:
    failed.take(WEB, [entry(500)], dropped=0)
    failed.take(OTHER, [entry(500)], dropped=0)
    assert {each["reporter"] for each in (await page(failed))["failures"]} == {"shop/web-1", "shop/other-1"}
    (only,) = (await page(failed, "?pods=shop/other-1,shop/nobody"))["failures"]
    assert (only["reporter"], only["inbound"], only["times"]) == ("shop/other-1", False, 1)


async def test_the_last_of_a_kind_or_one_request(failed: Failed) -> None:
    failed.take(WEB, [entry(500, str(number)) for number in range(CALLS_TOLD + 2)], dropped=0)
    (kind,) = (await page(failed))["failures"]
    assert [call["request_id"] for call in kind["latest"]] == [str(number) for number in range(2, CALLS_TOLD + 2)]
    (kind,) = (await page(failed, "?request_id=0"))["failures"]
    assert [call["request_id"] for call in kind["latest"]] == ["0"]
    assert (await page(failed, "?request_id=never"))["failures"] == []
