"""Which statistics a bootstrap has its Envoy keep."""

from __future__ import annotations

import re
from typing import Any

import pytest

from xds.bootstrap.stats import NOTHING_MORE, PREFIXES, REGEXPS, SUFFIXES, StatsInclusion, stated, stats


def kept(name: str, also: StatsInclusion = NOTHING_MORE) -> bool:
    patterns: list[dict[str, Any]] = stats(also, {})["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"]
    return any(
        name == each.get("exact")
        or name.startswith(each.get("prefix", "\n"))
        or name.endswith(each.get("suffix", "\n"))
        or bool(re.fullmatch(each.get("safe_regex", {}).get("regex", "\n"), name))
        for each in patterns
    )


@pytest.mark.parametrize(
    "name",
    [
        "istio_requests_total",
        "_requests",
        "plait_proven.requests",
        "plait_plaintext.all_requests",
        "server.live",
        "control_plane.connected_state",
        "cluster_manager.warming_clusters",
        "cluster_manager.cds.update_rejected",
        "listener_manager.listener_in_place_updated",
        "listener_manager.total_listeners_draining",
        "listener_manager.lds.update_rejected",
        "listener.0.0.0.0_15006.downstream_cx_active",
        "listener.[__]_80.downstream_cx_active",
        "cluster.app-health|tcp|8081|10|1.membership_healthy",
    ],
)
def test_kept(name: str) -> None:
    assert kept(name)


@pytest.mark.parametrize(
    "name",
    [
        "cluster.outbound|80||web.shop.svc.cluster.local;.upstream_rq_total",
        "cluster.xds-grpc.upstream_rq_total",
        "listener.0.0.0.0_80.worker_0.downstream_cx_active",
        "listener.0.0.0.0_80.downstream_cx_total",
        "cluster_manager.cds.update_duration",
        "listener_manager.worker_0.dispatcher.loop_duration_us",
        "http.outbound_0.0.0.0_80.downstream_rq_active",
        "server.initialization_time_ms",
    ],
)
def test_not_kept(name: str) -> None:
    assert not kept(name)


def test_annotations_add() -> None:
    also = stated({PREFIXES: "cluster.outbound, http.", SUFFIXES: "upstream_rq_5xx", REGEXPS: r"listener\.\d.*,(x"})
    assert also == StatsInclusion(("cluster.outbound", "http."), ("upstream_rq_5xx",), (r"listener\.\d.*", "(x"))
    assert list(also.refused()) == ["(x"]
    good = also.without_refused()
    assert good.regexps == (r"listener\.\d.*",)
    assert all(kept(name, good) for name in ("http.x", "cluster.y.upstream_rq_5xx", "listener.9.a", "istio_x"))
    assert stated({}) == NOTHING_MORE


def test_both_include() -> None:
    one, two = StatsInclusion(("a",), (), ("b",)), StatsInclusion(("c",), ("d",))
    assert one.and_also(two) == StatsInclusion(("a", "c"), ("d",), ("b",))


def test_evicted_at_a_flush() -> None:
    made = stats(NOTHING_MORE, {})
    flush, eviction = (int(made[f"stats_{word}_interval"].removesuffix("s")) for word in ("flush", "eviction"))
    assert eviction % flush == 0


def test_the_control_plane_is_sent_what_is_for_it() -> None:
    made = stats(NOTHING_MORE, {"id": "sidecar~10.0.0.1~web.shop~shop.svc", "workload": "web"})
    [sink] = made["stats_sinks"]
    config = sink["typed_config"]
    assert config["resource_detectors"][0]["typed_config"]["attributes"]["workload"] == "web"
    assert config["report_counters_as_deltas"] is True
    assert config["report_histograms_as_deltas"] is True
    [rule] = config["custom_metric_conversions"]["matcher_list"]["matchers"]
    told = rule["predicate"]["not_matcher"]["single_predicate"]
    assert told["value_match"] == {"prefix": "_"}
    assert rule["on_match"]["action"]["typed_config"]["@type"].endswith("DropAction")


def test_histograms_of_both_have_the_same_bounds() -> None:
    bounds = {
        each["match"]["prefix"]: each["buckets"]
        for each in stats(NOTHING_MORE, {})["stats_config"]["histogram_bucket_settings"]
    }
    assert bounds["_duration"] == bounds["istio_request_duration_milliseconds"]


def test_statistics_that_nobody_counts_take_no_memory() -> None:
    assert stats(NOTHING_MORE, {})["deferred_stat_options"] == {"enable_deferred_creation_stats": True}
