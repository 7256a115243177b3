"""Callers as sidecars count them: read, named, compared, and made into policies that our own decoders take."""

from __future__ import annotations

from datetime import timedelta

import yaml

from tests.objects import written
from xds.audit.plaintext import Plaintext, compared, totals
from xds.audit.seen import KnownWorkload, Reading, Workloads, reading
from xds.audit.suggest import Suggestion, suggestions

STATISTICS = """\
# TYPE envoy_plait_plaintext_all_connections counter
envoy_plait_plaintext_all_connections{} 9
# TYPE envoy_plait_plaintext_connections counter
envoy_plait_plaintext_connections{source="10.0.0.9",port="9000"} 4
envoy_plait_plaintext_connections{source="10.9.9.9",port="9000"} 2
# TYPE envoy_plait_proven_all_requests counter
envoy_plait_proven_all_requests{} 8
# TYPE envoy_plait_proven_requests counter
envoy_plait_proven_requests{peer="spiffe://td/ns/shop/sa/client",port="8080",method="GET"} 5
envoy_plait_proven_requests{peer="spiffe://td/ns/shop/sa/client",port="8080",method="POST"} 1
envoy_plait_proven_requests{peer="spiffe://td/ns/other/sa/odd",port="8080",method="other"} 2
# TYPE envoy_plait_proven_connections counter
envoy_plait_proven_connections{peer="spiffe://td/ns/shop/sa/client",port="9000"} 3
envoy_cluster_upstream_cx_total{envoy_cluster_name="x"} 1
"""
WEB = KnownWorkload(
    namespace="shop", pod="web-0", workload="web", labels={"app": "web", "pod-template-hash": "x"}, sidecar=True
)
OUTSIDER = KnownWorkload(namespace="plain", pod="outsider", workload="outsider", addresses=("10.0.0.9",))
WORKLOADS = Workloads([WEB, OUTSIDER])


def read(statistics: str = STATISTICS) -> Reading:
    return reading("shop", "web-0", statistics, timedelta(minutes=2))


def test_what_a_sidecar_has_counted() -> None:
    found = read()
    assert [(each.what, each.caller, each.port, each.times) for each in found.plaintext] == [
        ("connections", "10.0.0.9", 9000, 4),
        ("connections", "10.9.9.9", 9000, 2),
    ]
    assert sum(each.times for each in found.proven) == 11
    assert found.more == {(False, "connections"): 3}


def test_texts_of_a_caller_are_cleaned() -> None:
    [one] = read(r'envoy_plait_proven_connections{peer="a\n\"b\\",port="1"} 1').seen
    assert one.caller == 'a?"b\\'


def test_who_talks_plaintext() -> None:
    now = totals([read()], WORKLOADS)
    assert now == {
        Plaintext("shop/web", "10.0.0.9", 9000): 4,
        Plaintext("shop/web", "10.9.9.9", 9000): 2,
        Plaintext("shop/web", "", 0): 3,
    }
    outsider, more, gone = compared(now, now, WORKLOADS)
    assert (outsider.label, outsider.stands_in_the_way) == ("plain/outsider (no sidecar)", True)
    assert (gone.label, gone.stands_in_the_way) == ("10.9.9.9 (no workload of the mesh)", False)
    assert (more.who.address, more.stands_in_the_way) == ("", False)


def test_who_calls_within_the_window_stands_in_the_way() -> None:
    gone = Plaintext("shop/web", "10.9.9.9", 9000)
    [again] = compared({gone: 2}, {gone: 3}, WORKLOADS)
    assert (again.in_window, again.stands_in_the_way) == (1, True)
    [restarted] = compared({gone: 2}, {gone: 1}, WORKLOADS)
    assert restarted.in_window == 1
    [quiet] = compared({gone: 2}, {gone: 2}, WORKLOADS)
    assert not quiet.stands_in_the_way


def suggested(*workloads: KnownWorkload, statistics: str = STATISTICS) -> Suggestion:
    return suggestions("shop", [read(statistics)], Workloads([WEB, OUTSIDER, *workloads]))[-1]


def test_a_policy_for_what_was_seen() -> None:
    [policy] = list(yaml.safe_load_all(suggested().text()))
    assert policy == suggested().manifest()
    assert policy["metadata"] == {"name": "web-callers", "namespace": "shop"}
    assert policy["spec"]["selector"] == {"matchLabels": {"app": "web"}}
    assert policy["spec"]["rules"] == [
        {"from": [{"source": {"principals": ["td/ns/other/sa/odd"]}}], "to": [{"operation": {"ports": ["8080"]}}]},
        {
            "from": [{"source": {"principals": ["td/ns/shop/sa/client"]}}],
            "to": [
                {"operation": {"ports": ["8080"], "methods": ["GET", "POST"]}},
                {"operation": {"ports": ["9000"]}},
            ],
        },
    ]
    [read_back] = written(suggested().text())
    assert read_back.ref.name == "web-callers"


def test_comments_say_how_often_and_what_cannot_be_said() -> None:
    text = suggested().text()
    assert "# seen: 5 GET on port 8080, 1 POST on port 8080, 3 connections on port 9000\n" in text
    assert "# plaintext, which no principal can name: plain/outsider (no sidecar), 4 times on port 9000" in text
    assert "# 3 more times from callers in plaintext that were too many to be told apart" in text


def test_nothing_is_written_where_nobody_was_seen() -> None:
    found = suggested(statistics="")
    assert not found.rules
    assert all(line.startswith("#") for line in found.text().splitlines())


def test_labels_that_select_the_workload_alone() -> None:
    rival = KnownWorkload(namespace="shop", pod="a", workload="a", labels={"app": "web", "tier": "x"}, sidecar=True)
    both = suggestions("shop", [read()], Workloads([WEB, rival]))
    assert "its labels also select a" in both[1].notes
    assert both[0].selector == {"tier": "x"}
    nameless = KnownWorkload(namespace="shop", pod="web-0", workload="web", sidecar=True)
    [bare] = suggestions("shop", [read()], Workloads([nameless]))
    assert not bare.rules
