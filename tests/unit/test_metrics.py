"""What the control plane counts of itself, under istiod's names."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

from xds.admin.exposition import render
from xds.admin.status import CaReport
from xds.metrics import Metrics
from xds.model.refs import ObjectRef
from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.wire.type_urls import CLUSTER, ROUTE

ENDS = datetime(2036, 1, 1, tzinfo=UTC)
CA = CaReport("stable", ENDS, "ab12", ("ab12",), ENDS, (), ())
PROXY = Node("sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local")


def there(metrics: Metrics) -> dict[str, float]:
    lines = render(metrics.metrics()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_what_proxies_are_sent_and_answer() -> None:
    metrics = Metrics(lambda group, kind: 7 if kind == "Service" else 2, lambda: CA)
    metrics.on_sent(PROXY, CLUSTER, 1000)
    metrics.on_sent(PROXY, CLUSTER, 2_000_000)
    metrics.on_nack(PROXY, Answer(ROUTE, Batch(), "no good"))
    metrics.on_converged("group", 0.03)
    found = there(metrics)
    assert found['pilot_xds_pushes{type="cds"}'] == 2
    assert found['pilot_xds_config_size_bytes_bucket{type="cds",le="10000"}'] == 1
    assert found['pilot_total_xds_rejects{type="rds"}'] == 1
    assert found['pilot_proxy_convergence_time_bucket{le="0.05"}'] == 1
    assert found['pilot_proxy_convergence_time_bucket{le="0.02"}'] == 0
    assert (found["pilot_services"], found["pilot_virt_services"]) == (7, 2)
    assert found["citadel_server_root_cert_expiry_timestamp"] == ENDS.timestamp()
    assert found["process_resident_memory_bytes"] > 1e6


def test_types_that_proxies_make_up_are_one() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None)
    for number in range(3):
        metrics.on_sent(PROXY, f"type.googleapis.com/made.Up{number}", 10)
        metrics.on_nack(PROXY, Answer(f"type.googleapis.com/made.Up{number}", Batch(), "no good"))
    found = {name: count for name, count in there(metrics).items() if name.startswith("pilot_xds_pushes")}
    assert found == {'pilot_xds_pushes{type="other"}': 3}
    assert there(metrics)['pilot_total_xds_rejects{type="other"}'] == 3


def test_changes_by_what_they_are() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None)
    service, part, rule = (ObjectRef("", kind, "shop", "a") for kind in ("Service", "EndpointSlice", "DestinationRule"))
    metrics.told([service, part, rule], lambda ref: ref is not service)
    metrics.triggered([part, rule])
    found = there(metrics)
    updates = {name: count for name, count in found.items() if name.startswith("pilot_inbound_updates")}
    assert updates == {f'pilot_inbound_updates{{type="{kind}"}}': 1 for kind in ("svcdelete", "eds", "config")}
    assert found['pilot_k8s_cfg_events{type="Service",event="delete"}'] == 1
    assert found['pilot_push_triggers{type="eds"}'] == found['pilot_push_triggers{type="config"}'] == 1


async def test_how_late_the_event_loop_is() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None)
    watching = asyncio.create_task(metrics.watch())
    async with asyncio.timeout(10):
        while not there(metrics)["plait_event_loop_lag_seconds_count"]:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.05)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
