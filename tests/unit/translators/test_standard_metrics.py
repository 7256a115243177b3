"""The loggers of the standard metrics: what is counted, when, and with which labels."""

from __future__ import annotations

from typing import Any

import pytest

from xds.model.identity import CLUSTER_LOCAL, Identity
from xds.model.standard_metrics import NODE_LABELS, Metric
from xds.translators.standard_metrics import Reporter, http_loggers, of_endpoint, reporter, tcp_loggers
from xds.view.specs.listeners import Chain, ChainMatch, ServerTls, TcpChain
from xds.view.specs.observed import Counted
from xds.wire.codec import to_plain

Plain = dict[str, Any]
SIDES = frozenset(f"{side}_{name}" for side in ("source", "destination") for name in (*NODE_LABELS, "principal"))
LABELS = SIDES | {
    "reporter",
    "destination_service",
    "destination_service_name",
    "destination_service_namespace",
    "connection_security_policy",
    "request_protocol",
}
OUTCOME = {"response_code", "grpc_response_status", "response_flags"}


def stats(logger: Plain) -> dict[str, dict[str, str]]:
    """The labels of each metric of a logger."""
    config = logger["typed_config"]
    stated = [each["stat"] for kind in ("counters", "histograms") for each in config.get(kind, ())]
    return {stat["name"]: {tag["name"]: tag["value_format"] for tag in stat["tags"]} for stat in stated}


@pytest.mark.parametrize("who", Reporter)
def test_labels_are_istios(who: Reporter) -> None:
    (http,) = (stats(to_plain(each)) for each in http_loggers(who))
    assert http.keys() == {each.value for each in Metric if not each.name.startswith("TCP")}
    assert {name: labels.keys() for name, labels in http.items()} == {
        name: LABELS | (OUTCOME if name == "istio_requests_total" else set()) for name in http
    }
    tcp = {name: labels for each in tcp_loggers(who) for name, labels in stats(to_plain(each)).items()}
    assert tcp.keys() == {each.value for each in Metric if each.name.startswith("TCP")}
    assert all(labels.keys() == LABELS for labels in tcp.values())


@pytest.mark.parametrize("who", Reporter)
def test_all_share_one_scope(who: Reporter) -> None:
    scopes = [to_plain(each)["typed_config"]["stats_scope"] for each in (*http_loggers(who), *tcp_loggers(who))]
    assert all(scope == scopes[0] for scope in scopes)
    assert scopes[0]["sharing_name"] == "istio"
    assert scopes[0]["enable_eviction"] is True


def test_connections_are_opened_and_closed_in_pairs() -> None:
    opened, closed = (to_plain(each) for each in tcp_loggers(Reporter.SOURCE))
    assert list(stats(opened)) == ["istio_tcp_connections_opened_total"]
    assert opened["filter"] == {"log_type_filter": {"types": ["TcpUpstreamConnected"]}}
    end, cel = closed["filter"]["and_filter"]["filters"]
    assert end == {"log_type_filter": {"types": ["TcpConnectionEnd"]}}
    assert cel["extension_filter"]["typed_config"]["expression"] == "has(upstream.local_address)"


def test_security_is_known_where_it_is_taken() -> None:
    policies = {}
    for who in Reporter:
        (labels, *_) = stats(to_plain(http_loggers(who)[0])).values()
        policies[labels["reporter"], labels["connection_security_policy"]] = labels["source_principal"]
    assert policies == {
        ("source", "unknown"): "%UPSTREAM_LOCAL_URI_SAN%",
        ("destination", "mutual_tls"): "%DOWNSTREAM_PEER_URI_SAN%",
        ("destination", "none"): "unknown",
    }


def test_who_reports() -> None:
    plain = Chain("c", ChainMatch(), TcpChain("c", ()))
    proven = Chain("c", ChainMatch(), TcpChain("c", ()), ServerTls(Identity.ADS, CLUSTER_LOCAL))
    assert [reporter(each, outbound=True) for each in (plain, proven)] == [Reporter.SOURCE] * 2
    assert [reporter(each, outbound=False) for each in (plain, proven)] == [Reporter.PLAIN, Reporter.PROVEN]


def test_endpoints_tell_what_is_known() -> None:
    assert of_endpoint("web-v1", {}) == {"workload": "web-v1", "service": "web-v1", "revision": "latest"}
    labels = {
        "app": "a",
        "version": "v",
        "app.kubernetes.io/name": "n",
        "service.istio.io/canonical-revision": "r",
        "topology.istio.io/cluster": "east",
    }
    assert of_endpoint("w", labels) == {
        "workload": "w",
        "app": "a",
        "version": "v",
        "service": "n",
        "revision": "r",
        "cluster": "east",
    }


def test_what_telemetry_says_otherwise() -> None:
    counted = (
        Counted("REQUEST_SIZE", disabled=True),
        Counted("REQUEST_COUNT", labels=(("source_app", None), ("method", "request.method"), ("reporter", "'me'"))),
    )
    (found,) = (stats(to_plain(each)) for each in http_loggers(Reporter.SOURCE, counted))
    assert "istio_request_bytes" not in found
    labels = found["istio_requests_total"]
    assert "source_app" not in labels
    assert (labels["method"], labels["reporter"]) == ("%CEL(request.method)%", "%CEL('me')%")
    assert found["istio_response_bytes"].keys() == LABELS


@pytest.mark.parametrize(
    ("stated", "spelled"),
    [
        ("string(destination.port)", "destination.port"),
        ("string(size(request.path))", "size(request.path)"),
        ("string(a) == string(b)", "string(a) == string(b)"),
        ("request.host", "request.host"),
    ],
)
def test_everything_becomes_text_without_being_told(stated: str, spelled: str) -> None:
    counted = (Counted("REQUEST_COUNT", labels=(("x", stated),)),)
    (found,) = (stats(to_plain(each)) for each in http_loggers(Reporter.SOURCE, counted))
    assert found["istio_requests_total"]["x"] == f"%CEL({spelled})%"


def test_a_logger_that_counts_nothing_is_left_out() -> None:
    off = tuple(Counted(each.name, disabled=True) for each in Metric)
    assert http_loggers(Reporter.SOURCE, off) == ()
    assert tcp_loggers(Reporter.SOURCE, off) == ()
    assert len(tcp_loggers(Reporter.SOURCE, (Counted("TCP_OPENED_CONNECTIONS", disabled=True),))) == 1


def test_labels_of_a_tenant_cannot_move_the_fields_of_what_is_told() -> None:
    told = of_endpoint("web|x", {"version": "v1|spiffe://cluster.local/ns/bank/sa/vault", "app": "a|b"})
    assert not any("|" in value for value in told.values())
