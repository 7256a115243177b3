"""Assembling routes, virtual hosts and route tables."""

from __future__ import annotations

from datetime import timedelta

from xds.model.policy import Policies
from xds.model.refs import ObjectRef
from xds.model.route import Comparison, NamedMatch, RequestMatch, StringMatch
from xds.translators import rds
from xds.translators.headers import Edits, HeaderOperations
from xds.translators.load_balancing import HashKey
from xds.translators.redirects import Redirect
from xds.translators.retries import DEFAULT, INBOUND_DEFAULT, RetryPolicy
from xds.translators.rewrites import HostRewrite
from xds.translators.timeouts import Timeout
from xds.view.specs.routes import RouteSpec, RouteTable, VirtualHostSpec, WeightedCluster
from xds.wire.codec import to_plain

ANY = RequestMatch()
A, B = WeightedCluster("a"), WeightedCluster("b", 3)


def test_bare_route() -> None:
    assert to_plain(rds.route(RouteSpec("default", ANY, (A,)))) == {
        "name": "default",
        "match": {"prefix": "/"},
        "route": {"cluster": "a"},
    }


def test_metadata_names_a_virtual_service_only() -> None:
    vs = ObjectRef("networking.istio.io", "VirtualService", "shop", "b")
    service = ObjectRef("", "Service", "shop", "b")
    named = to_plain(rds.route(RouteSpec("", ANY, (A,), authored=vs, operation="b:80/*")))
    config = "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/b"
    assert named["metadata"] == {"filter_metadata": {"istio": {"config": config}}}
    assert named["decorator"] == {"operation": "b:80/*"}
    assert "metadata" not in to_plain(rds.route(RouteSpec("", ANY, (A,), authored=service)))


def test_policies_of_an_only_cluster_are_merged_over_the_routes() -> None:
    own = Policies([HostRewrite("own"), HeaderOperations(Edits(replace=(("a", "own"),)))])
    routes = Policies([HostRewrite("route"), HeaderOperations(Edits(replace=(("a", "route"), ("b", "route"))))])
    made = rds.route(RouteSpec("", ANY, (WeightedCluster("a", 1, own),), routes))
    assert made.route.host_rewrite_literal == "own"
    assert [(each.header.key, each.header.value) for each in made.request_headers_to_add] == [
        ("a", "own"),
        ("b", "route"),
    ]


def test_policies_of_shares_stand_at_shares() -> None:
    own = Policies([HostRewrite("own"), HeaderOperations(Edits(replace=(("a", "own"),)))])
    routes = Policies([HostRewrite("route"), HeaderOperations(Edits(replace=(("a", "route"), ("b", "route"))))])
    made = rds.route(RouteSpec("", ANY, (A, WeightedCluster("b", 3, own)), routes))
    assert made.route.host_rewrite_literal == "route"
    assert not made.request_headers_to_add, "Envoy would make these edits after those of the shares"
    shares = made.route.weighted_clusters.clusters
    assert [(each.name, each.weight.value, each.host_rewrite_literal) for each in shares] == [
        ("a", 1, ""),
        ("b", 3, "own"),
    ]
    edits = [[(add.header.key, add.header.value) for add in each.request_headers_to_add] for each in shares]
    assert edits == [[("a", "route"), ("b", "route")], [("a", "own"), ("b", "route")]]


def test_shares_without_policies_leave_the_route_its_own() -> None:
    routes = Policies([HeaderOperations(Edits(remove=("x",)))])
    made = rds.route(RouteSpec("", ANY, (A, B), routes))
    assert made.request_headers_to_remove == ["x"]
    assert not any(each.request_headers_to_remove for each in made.route.weighted_clusters.clusters)


def test_an_answer_forwards_nothing() -> None:
    policies = Policies([Redirect(path="/"), Timeout(timedelta(seconds=1))])
    assert to_plain(rds.route(RouteSpec("", ANY, (), policies))) == {
        "match": {"prefix": "/"},
        "redirect": {"path_redirect": "/"},
    }


def test_a_route_to_nowhere_is_answered() -> None:
    assert rds.route(RouteSpec("", ANY, ())).direct_response.status == 503


def test_case_is_ignored_where_envoy_can() -> None:
    def ignores(comparison: Comparison) -> bool:
        wanted = RequestMatch(StringMatch(comparison, "/a"), ignore_case=True)
        return rds.route(RouteSpec("", wanted, (A,))).match.HasField("case_sensitive")

    assert ignores(Comparison.EXACT)
    assert ignores(Comparison.PREFIX)
    assert not ignores(Comparison.REGEX)


def test_absent_headers() -> None:
    absent = NamedMatch("x", StringMatch(Comparison.PRESENT), invert=True)
    other = NamedMatch("x", StringMatch(Comparison.EXACT, "1"), invert=True)
    match = rds.route(RouteSpec("", RequestMatch(headers=(absent, other)), (A,))).match
    assert [each.treat_missing_header_as_empty for each in match.headers] == [False, True]


def test_table() -> None:
    host = VirtualHostSpec("80", "80/b:80", ("b", "b.shop"), (RouteSpec("default", ANY, (A,)),))
    plain = to_plain(rds.route_configuration(RouteTable("80", (host,), vhds=True)))
    assert plain["vhds"] == {"config_source": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"}}
    assert plain["virtual_hosts"] == [to_plain(rds.virtual_host(host))]
    assert plain["validate_clusters"] is False
    assert plain["ignore_port_in_host_matching"] is True
    assert not rds.route_configuration(RouteTable("80")).HasField("vhds")


def test_shares_with_policies_that_shares_cannot_have_are_routes() -> None:
    by_a, by_b = (Policies([HashKey(header=name)]) for name in ("x-a", "x-b"))
    shares = (WeightedCluster("a", 1, by_a), WeightedCluster("b", 2, by_b), WeightedCluster("c", 1))
    made = list(rds.routes(RouteSpec("r", ANY, shares)))
    assert [each.route.cluster for each in made] == ["a", "b", "c"]
    assert [each.match.runtime_fraction.default_value.numerator for each in made] == [250_000, 750_000, 0]
    assert not made[2].match.HasField("runtime_fraction")
    assert [[policy.header.header_name for policy in each.route.hash_policy] for each in made] == [["x-a"], ["x-b"], []]
    assert len(list(rds.routes(RouteSpec("r", ANY, (A, B))))) == 1


def test_servers_are_told_which_try_a_request_is_where_it_may_be_tried_again() -> None:
    def counted(*policies: RetryPolicy) -> bool:
        routes = (RouteSpec("r", ANY, (A,), Policies(policies)),)
        return rds.virtual_host(VirtualHostSpec("80", "h", ("h",), routes)).include_request_attempt_count

    assert counted(DEFAULT)
    assert not counted(INBOUND_DEFAULT)  # the application is told what its caller's proxy counted
    assert not counted()
