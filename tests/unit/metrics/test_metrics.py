"""What the control plane counts of itself, under istiod's names."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import grpc
import pytest

from ca.service import Answer as CsrAnswer
from ca.service import Caller
from tests.objects import applied, made
from xds.admin.exposition import render
from xds.admin.status import CaReport
from xds.decoders.build import Builder
from xds.metrics.ca import CaMetrics
from xds.metrics.mesh import MeshMetrics
from xds.metrics.metrics import Metrics
from xds.metrics.webhooks import WebhookMetrics
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef
from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.webhooks.review import AdmissionRequest, GroupVersionKind, denied
from xds.webhooks.review import Answer as Review
from xds.webhooks.server import INJECT, VALIDATE
from xds.wire.type_urls import CLUSTER, ROUTE

ENDS = datetime(2036, 1, 1, tzinfo=UTC)
CA = CaReport("stable", ENDS, "ab12", ("ab12",), ENDS, (), ())
Counts = Metrics | MeshMetrics | CaMetrics | WebhookMetrics
NOTHING = Builder().snapshot
PROXY = Node("sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local")


def there(metrics: Counts) -> dict[str, float]:
    lines = [line for line in render(metrics.metrics()).splitlines() if line and not line.startswith("#")]
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#") and line)
    }


def test_what_proxies_are_sent_and_answer() -> None:
    metrics = Metrics(lambda group, kind: 7 if kind == "Service" else 2, lambda: CA, lambda: NOTHING, list)
    metrics.on_sent(PROXY, CLUSTER, 1000)
    metrics.on_sent(PROXY, CLUSTER, 2_000_000)
    metrics.on_nack(PROXY, Answer(ROUTE, Batch(), "no good"))
    metrics.on_converged("group", 0.03)
    metrics.on_written("group", CLUSTER, 1000, (0.02, 0.2))
    metrics.on_queued(0.001)
    found = there(metrics)
    assert found['pilot_xds_pushes{type="cds"}'] == 2
    assert found['pilot_xds_config_size_bytes_bucket{type="cds",le="10000"}'] == 1
    assert found['pilot_total_xds_rejects{type="rds"}'] == 1
    assert found['pilot_proxy_convergence_time_bucket{le="0.05"}'] == 1
    assert found['pilot_proxy_convergence_time_bucket{le="0.02"}'] == 0
    assert (found["pilot_services"], found["pilot_virt_services"]) == (7, 2)
    assert found["citadel_server_root_cert_expiry_timestamp"] == ENDS.timestamp()
    assert found["process_resident_memory_bytes"] > 1e6
    assert found["pilot_xds_send_time_sum"] == 0.2
    assert found['pilot_xds_push_time_sum{type="cds"}'] == pytest.approx(0.22)
    assert found["pilot_proxy_queue_time_count"] == 1
    assert sum(name.startswith('istio_build{component="pilot",tag="') for name in found) == 1


def test_types_that_proxies_make_up_are_one() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None, lambda: NOTHING, list)
    for number in range(3):
        metrics.on_sent(PROXY, f"type.googleapis.com/made.Up{number}", 10)
        metrics.on_nack(PROXY, Answer(f"type.googleapis.com/made.Up{number}", Batch(), "no good"))
    found = {name: count for name, count in there(metrics).items() if name.startswith("pilot_xds_pushes")}
    assert found == {'pilot_xds_pushes{type="other"}': 3}
    assert there(metrics)['pilot_total_xds_rejects{type="other"}'] == 3


def test_changes_by_what_they_are() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None, lambda: NOTHING, list)
    service, part, rule = (ObjectRef("", kind, "shop", "a") for kind in ("Service", "EndpointSlice", "DestinationRule"))
    metrics.told([service, part, rule], lambda ref: ref is not service)
    metrics.triggered({part: 0.0, rule: 0.0})
    found = there(metrics)
    updates = {name: count for name, count in found.items() if name.startswith("pilot_inbound_updates")}
    assert updates == {f'pilot_inbound_updates{{type="{kind}"}}': 1 for kind in ("svcdelete", "eds", "config")}
    assert found['pilot_k8s_reg_events{type="Services",event="delete"}'] == 1
    assert found['pilot_k8s_cfg_events{type="DestinationRule",event="add"}'] == 1
    assert found["pilot_debounce_time_count"] == 1
    metrics.told([rule], lambda ref: True)
    metrics.told([rule], lambda ref: False)
    events = {name for name in there(metrics) if name.startswith("pilot_k8s_cfg_events")}
    assert events == {
        f'pilot_k8s_cfg_events{{type="DestinationRule",event="{e}"}}' for e in ("add", "update", "delete")
    }
    assert found['pilot_push_triggers{type="eds"}'] == found['pilot_push_triggers{type="config"}'] == 1


async def test_how_late_the_event_loop_is() -> None:
    metrics = Metrics(lambda group, kind: 0, lambda: None, lambda: NOTHING, list)
    watching = asyncio.create_task(metrics.watch())
    async with asyncio.timeout(10):
        while not there(metrics)["plait_event_loop_lag_seconds_count"]:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.05)
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


def test_requests_for_certificates() -> None:
    metrics, caller = CaMetrics(lambda: CA), Caller("spiffe://cluster.local/ns/shop/sa/web")
    for who, code in (
        (None, grpc.StatusCode.UNAUTHENTICATED),
        (caller, grpc.StatusCode.INVALID_ARGUMENT),
        (caller, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ):
        metrics.answered(CsrAnswer(who, code))
    found = there(metrics)
    assert found["citadel_server_csr_count"] == 3
    assert found["citadel_server_success_cert_issuance_count"] == 0
    assert found["citadel_server_authentication_failure_count"] == found["citadel_server_csr_parsing_err_count"] == 1
    assert found['citadel_server_csr_sign_err_count{error="resource_exhausted"}'] == 1
    assert there(CaMetrics(lambda: None)) == {}


def test_what_there_is_and_what_is_wrong_with_it() -> None:
    builder = Builder()
    service: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}}
    names = [{**service, "metadata": {"name": name, "namespace": "shop"}} for name in ("web", "db")]
    part: dict[str, Any] = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"]}],
        "ports": [{"name": "", "port": 80}],
    }
    applied(builder, [made(each) for each in (*names, part)])
    at = FieldRef(ObjectRef("networking.istio.io", "DestinationRule", "shop", "a"))
    found = there(
        MeshMetrics(lambda group, kind: 1, lambda: builder.snapshot, lambda: [Problem(at, "subset.twice", "x")])
    )
    assert found["pilot_eds_no_instances"] == found["pilot_destrule_subsets"] == 1
    assert found["pilot_vservice_dup_domain"] == 0
    assert found['plait_problems{code="subset.twice",severity="error"}'] == 1


def test_pods_that_the_injection_webhook_was_asked_about() -> None:
    metrics = WebhookMetrics()
    request = AdmissionRequest(uid="u", operation="CREATE", kind=GroupVersionKind("", "v1", "Pod"))
    for answer in (Review(), Review(patch=[{"op": "add"}]), denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "no")):
        metrics.answered(INJECT, request, answer, 0.02)
    metrics.refused(INJECT, 413)
    found = there(metrics)
    assert found["sidecar_injection_requests_total"] == 4
    assert found["sidecar_injection_success_total"] == found["sidecar_injection_skip_total"] == 1
    assert found["sidecar_injection_failure_total"] == 2
    assert found["sidecar_injection_time_seconds_count"] == 3


def test_objects_that_the_validation_webhook_was_asked_about() -> None:
    metrics = WebhookMetrics()
    known = GroupVersionKind("networking.istio.io", "v1", "VirtualService")
    for kind in (
        known,
        GroupVersionKind("example.com", "v1", "MadeUp"),
        GroupVersionKind("example.com", "v2", "Other"),
    ):
        metrics.answered(VALIDATE, AdmissionRequest(uid="u", operation="CREATE", kind=kind), Review(), 0.01)
    no = denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "no")
    metrics.answered(VALIDATE, AdmissionRequest(uid="u", operation="CREATE", kind=known), no, 0.01)
    metrics.refused(VALIDATE, 400)
    found = there(metrics)
    of = 'group="networking.istio.io",version="v1",resource="virtualservices"'
    assert found[f"galley_validation_passed{{{of}}}"] == 1
    assert found['galley_validation_passed{group="other",version="",resource=""}'] == 2
    assert found[f'galley_validation_failed{{{of},reason="invalid_resource"}}'] == 1
    assert found['galley_validation_http_error{status="400"}'] == 1
