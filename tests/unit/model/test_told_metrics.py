"""What proxies tell, as the labels that Prometheus would have it under."""

from __future__ import annotations

import pytest

from xds.model.standard_metrics import Metric
from xds.model.told_metrics import FIELDS, LABEL, VERSION, WORKLOAD, Side, Told, text, unfolded

CALL = {"host": "web.shop.svc.cluster.local", "name": "web", "namespace": "shop"}
OWN = {WORKLOAD: "client", VERSION: "v2"}


def of(name: Told, side: Side, protocol: str = "http", **fields: str) -> tuple[Metric, dict[str, str]]:
    found = unfolded(name.value, {LABEL: text({"side": side.of(protocol), **CALL, **fields}), **OWN})
    assert found is not None
    return found


def test_the_source_tells_of_the_server() -> None:
    metric, labels = of(Told.REQUESTS, Side.SOURCE, workload="web-v1", version="v1", code="200", principal="spiffe://a")
    assert metric is Metric.REQUEST_COUNT
    assert labels == {
        "reporter": "source",
        "request_protocol": "http",
        "source_workload": "client",
        "source_version": "v2",
        "destination_workload": "web-v1",
        "destination_workload_namespace": "shop",
        "destination_version": "v1",
        "destination_principal": "spiffe://a",
        "destination_service": CALL["host"],
        "destination_service_name": "web",
        "destination_service_namespace": "shop",
        "response_code": "200",
        "response_flags": "",
        "grpc_response_status": "",
        "connection_security_policy": "unknown",
    }


@pytest.mark.parametrize(("side", "policy"), [(Side.PROVEN, "mutual_tls"), (Side.PLAIN, "none")])
def test_the_server_tells_of_its_caller(side: Side, policy: str) -> None:
    metric, labels = of(Told.RECEIVED, side, principal="spiffe://a|b")
    assert metric is Metric.REQUEST_SIZE
    assert labels["connection_security_policy"] == policy
    assert labels["source_principal"] == "spiffe://a|b", "what the other end says is the last, and moves nothing"
    assert (labels["destination_workload"], labels["destination_version"]) == ("client", "v2")
    assert "source_workload" not in labels


def test_protocols() -> None:
    assert of(Told.REQUESTS, Side.SOURCE, "grpc")[1]["request_protocol"] == "grpc"
    metric, labels = of(Told.SENT, Side.PROVEN, "tcp")
    assert (metric, labels["request_protocol"]) == (Metric.TCP_SENT_BYTES, "tcp")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("_requests", ""),
        ("_requests", "x" + "|" * (len(FIELDS) - 1)),
        ("_requests", "sh|web"),
        ("_opened", text({"side": "sh"})),
        ("_requests", text({"side": "st"})),
        ("_nothing", text({"side": "sh"})),
    ],
)
def test_what_is_none(name: str, label: str) -> None:
    assert unfolded(name, {LABEL: label}) is None


def test_each_side_of_each_protocol_is_told_apart() -> None:
    begins = [side.of(protocol) for side in Side for protocol in ("http", "grpc", "tcp")]
    assert len(set(begins)) == len(begins)
