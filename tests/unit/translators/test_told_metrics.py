"""The loggers that count for the control plane: what is counted, when, and under which text."""

from __future__ import annotations

import pytest

from xds.model.told_metrics import FIELDS, SEPARATOR, Told
from xds.translators.standard_metrics import Reporter
from xds.translators.told_metrics import http_loggers, tcp_loggers
from xds.wire.codec import to_plain


def stats(loggers: tuple[object, ...]) -> dict[str, dict[str, str]]:
    """The fields of each metric, those that are not empty."""
    found = {}
    for each in loggers:
        config = to_plain(each)["typed_config"]  # type: ignore[arg-type]
        for stat in (one["stat"] for kind in ("counters", "histograms") for one in config.get(kind, ())):
            [tag] = stat["tags"]
            fields = zip(FIELDS, tag["value_format"].split(SEPARATOR), strict=True)
            found[stat["name"]] = {name: value for name, value in fields if value}
    return found


@pytest.mark.parametrize("who", Reporter)
def test_metrics(who: Reporter) -> None:
    grpc, http = (stats((each,)) for each in http_loggers(who))
    tcp = stats(tcp_loggers(who))
    assert grpc.keys() == http.keys()
    assert http.keys() | tcp.keys() == {each.value for each in Told}
    every = (*grpc.values(), *http.values(), *tcp.values())
    assert all(fields["host"] == "%CLUSTER_METADATA(istio:host)%" for fields in every)
    assert http["_requests"]["code"] == "%RESPONSE_CODE%"
    assert grpc["_requests"]["status"] == "%GRPC_STATUS_NUMBER%"
    assert "status" not in http["_requests"]
    assert all("code" not in each["_duration"] for each in (grpc, http))
    sides = [{fields["side"] for fields in each.values()} for each in (grpc, http, tcp)]
    assert [len(each) for each in sides] == [1, 1, 1]
    assert len(set.union(*sides)) == 3


def test_a_request_is_counted_by_one_of_two() -> None:
    grpc, others = (to_plain(each)["filter"]["header_filter"]["header"] for each in http_loggers(Reporter.SOURCE))
    assert grpc == {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    assert others == {**grpc, "invert_match": True, "treat_missing_header_as_empty": True}


def test_who_is_at_the_other_end() -> None:
    principals = {who: stats(http_loggers(who))["_requests"].get("principal") for who in Reporter}
    assert principals == {
        Reporter.SOURCE: "%UPSTREAM_PEER_URI_SAN%",
        Reporter.PROVEN: "%DOWNSTREAM_PEER_URI_SAN%",
        Reporter.PLAIN: None,
    }
    assert "principal" not in stats(http_loggers(Reporter.SOURCE))["_sent"], "that is asked of requests"
    assert "principal" in stats(http_loggers(Reporter.PROVEN))["_sent"]


def test_connections_are_opened_and_closed_in_pairs() -> None:
    opened, closed = (to_plain(each) for each in tcp_loggers(Reporter.SOURCE))
    assert opened["filter"] == {"log_type_filter": {"types": ["TcpUpstreamConnected"]}}
    end, there = closed["filter"]["and_filter"]["filters"]
    assert end == {"log_type_filter": {"types": ["TcpConnectionEnd"]}}
    assert "upstream.local_address" in str(there)


@pytest.mark.parametrize("who", Reporter)
def test_all_share_one_scope_that_is_not_prometheus(who: Reporter) -> None:
    scopes = [to_plain(each)["typed_config"]["stats_scope"] for each in (*http_loggers(who), *tcp_loggers(who))]
    assert all(scope == scopes[0] for scope in scopes)
    assert scopes[0]["sharing_name"] == "told"
