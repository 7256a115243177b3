"""Resources, tables and what turns one into another."""

from __future__ import annotations

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.api.envoy.config.cluster.v3 import cluster_pb2
from xds.api.envoy.config.endpoint.v3 import endpoint_pb2
from xds.api.envoy.config.route.v3 import route_pb2
from xds.api.envoy.service.discovery.v3 import discovery_pb2
from xds.model.refs import ObjectRef
from xds.wire.resource import EMPTY, Layers, Resource, ResourceSet, Table, difference, find, steps
from xds.wire.type_urls import CLUSTER, ENDPOINT, ROUTE, VIRTUAL_HOST


def made(name: str, generation: int = 0) -> Resource:
    return Resource(VIRTUAL_HOST, name, f"{name}{generation}".encode())


class TestResource:
    def test_its_items_are_fields_of_a_response(self) -> None:
        cluster = Resource.of(cluster_pb2.Cluster(name="a" * 300))
        delta = discovery_pb2.DeltaDiscoveryResponse.FromString(cluster.delta_item)
        (item,) = delta.resources
        assert (item.name, item.version, item.resource.type_url) == ("a" * 300, cluster.version, CLUSTER)
        assert item.resource.value == cluster.body
        sotw = discovery_pb2.DiscoveryResponse.FromString(cluster.sotw_item)
        assert sotw.resources[0] == item.resource

    def test_its_version_follows_name_and_body(self) -> None:
        assert made("a").version == made("a").version
        assert len({made("a").version, made("b").version, made("a", 1).version}) == 3

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_messages_of_either_library_are_the_same_resource(self) -> None:
        from envoy_data_plane.envoy.config.cluster.v3 import Cluster

        one, other = Resource.of(cluster_pb2.Cluster(name="a")), Resource.of(Cluster(name="a"))
        assert one.same(other)
        assert one.type_url == other.type_url == CLUSTER

    def test_a_load_assignment_is_named_after_its_cluster(self) -> None:
        assert Resource.of(endpoint_pb2.ClusterLoadAssignment(cluster_name="a")).name == "a"

    @pytest.mark.parametrize("what", [object(), 3, cluster_pb2.Cluster()])
    def test_what_is_no_named_message_is_refused(self, what: cluster_pb2.Cluster) -> None:
        with pytest.raises(TypeError):
            Resource.of(what)

    def test_its_provenance_is_sorted(self) -> None:
        refs = [ObjectRef("", "Service", "n", name) for name in "ba"]
        assert Resource(CLUSTER, "a", b"", [*refs, refs[0]]).provenance == tuple(sorted(refs))


class TestRefersTo:
    def test_an_eds_cluster_to_its_assignment(self) -> None:
        cluster = cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.EDS)
        assert Resource.of(cluster).refers_to == "a"
        cluster.eds_cluster_config.service_name = "s"
        assert Resource.of(cluster).refers_to == "s"

    def test_another_cluster_to_nothing(self) -> None:
        cluster = cluster_pb2.Cluster(name="a", type=cluster_pb2.Cluster.STRICT_DNS)
        assert Resource.of(cluster).refers_to == ""

    def test_a_route_configuration_with_vhds_to_its_hosts(self) -> None:
        routes = route_pb2.RouteConfiguration(name="a")
        assert Resource.of(routes).refers_to == ""
        routes.vhds.SetInParent()
        assert Resource.of(routes).refers_to == "a"

    @pytest.mark.parametrize("type_url", [CLUSTER, ROUTE, ENDPOINT])
    def test_what_is_no_message_to_nothing(self, type_url: str) -> None:
        assert Resource(type_url, "a", b"\xff\xff\xff").refers_to == ""


class TestTable:
    def test_patched_keeps_what_is_the_same(self) -> None:
        table = Table([made("a"), made("b")])
        assert table.patched({"a": made("a"), "c": None}) is table
        after = table.patched({"a": made("a", 1), "b": None, "c": made("c")})
        change = after.since(table)
        assert [resource.name for resource in change.changed] == ["a", "c"]
        assert change.removed == ("b",)
        assert after.since(table) is change, "made once"
        assert after["a"].same(made("a", 1))

    def test_the_version_is_that_of_the_content(self) -> None:
        table = Table([made("b"), made("a")])
        assert table.version == Table([made("a"), made("b")]).version
        after = table.patched({"a": made("a", 1)})
        assert after.version != table.version
        assert after.patched({"a": made("a")}).version == table.version

    def test_old_tables_are_not_kept(self) -> None:
        table = Table([made("a")])
        for generation in range(1, 50):
            after = table.patched({"a": made("a", generation)})
            assert after.since(table)
            table = after
        gc.collect()
        assert sum(isinstance(each, Table) for each in gc.get_objects()) < 20


SETS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2))


@given(SETS, SETS, st.booleans())
def test_a_difference_turns_one_into_the_other(old: dict[str, int], new: dict[str, int], patch: bool) -> None:
    def layers(content: dict[str, int], split: str) -> Layers:
        found = [made(name, generation) for name, generation in content.items()]
        return Table(r for r in found if r.name < split), Table(r for r in found if r.name >= split)

    before = layers(old, "c")
    after = layers(new, "d")
    if patch:
        target = layers(new, "c")
        after = tuple(one.patched({**dict.fromkeys(one), **dict(two)}) for one, two in zip(before, target, strict=True))
    change = difference(before, after)
    held = {**old}
    for name in change.removed:
        del held[name]
    for resource in change.changed:
        assert not resource.same(find(before, resource.name))
        held[resource.name] = int(resource.body[-1:])
    assert held == new
    assert not difference(after, after)
    assert not steps(after, after)
    assert difference(before, ()).removed == tuple(sorted(old))


@given(SETS, st.frozensets(st.sampled_from("abcdef")))
def test_a_part_of_a_difference(content: dict[str, int], names: frozenset[str]) -> None:
    everything = Table(made(f"{name}/x", generation) for name, generation in content.items()).everything
    part = everything.under(names)
    assert {resource.name[0] for resource in part.changed} == names & content.keys()
    assert everything.under(names) == part
    assert everything.within(part.names) == part
    assert b"".join(resource.delta_item for resource in part.changed) == part.delta_items


def test_an_empty_set() -> None:
    assert ResourceSet({}).of(CLUSTER) == ()
    assert ResourceSet({}).get(CLUSTER, "a") is None
    assert not EMPTY.everything
    assert difference((), ()).changed == ()
