"""Machines that join: who may, what becomes of them, when they are gone, how many there can be."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from xds.callers.caller import Caller
from xds.kinds.workload_entry import WorkloadEntry
from xds.machines import machines
from xds.machines.machines import Machines, entry_name
from xds.model.endpoint import Locality
from xds.model.labels import labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.snapshot import Snapshot, Table
from xds.model.workload_entry import WELL
from xds.model.workload_group import Check, Probe, WorkloadGroup, group_ref
from xds.proxies.comings import Comings
from xds.server import Denied, Node, Peer
from xds.sources.changes import Changed, Replaced

GROUP = WorkloadGroup(
    group_ref("shop", "vms"),
    labels=labels({"app": "vm"}),
    annotations=labels({"by": "hand"}),
    ports=(("http", 8080),),
    locality=Locality("r", "z"),
    weight=3,
    service_account="vm",
    network="",
)
CALLER = Caller("cluster.local", "shop", "vm")
ENTRY = ObjectRef("networking.istio.io", "WorkloadEntry", "shop", "vms-10.0.0.5")


def made(group: WorkloadGroup = GROUP) -> Machines:
    snapshot = Snapshot({Table.WORKLOAD_GROUP: {group.ref: (group,)}})
    return Machines(lambda: snapshot)


def proxy(address: str = "10.0.0.5", **more: Any) -> Proxy:
    known = {"namespace": "shop", "service_account": "vm", "group": "vms", "labels": labels({"app": "admin"})}
    return Proxy("sidecar~10.0.0.5~me.shop~shop.svc.cluster.local", addresses=(address,), **{**known, **more})


async def said(source: Machines) -> Changed:
    changes = source.changes()
    assert isinstance(await anext(changes), Replaced)
    found = await asyncio.wait_for(anext(changes), 60)
    await changes.aclose()
    assert isinstance(found, Changed)
    return found


async def test_a_member_is_what_its_group_says() -> None:
    source = made()
    member = source.member(proxy(), CALLER)
    assert dict(member.labels) == {"app": "vm", "security.istio.io/tlsMode": "istio"}
    assert (member.name, member.locality) == ("vms-10.0.0.5", Locality("r", "z"))
    source.came(member)
    (found,) = (await said(source)).upserts
    entry: WorkloadEntry = found.struct
    assert found.ref == ENTRY
    assert entry.metadata.annotations.items() >= {"by": "hand", "istio.io/autoRegistrationGroup": "vms"}.items()
    spec = entry.spec
    assert (spec.address, spec.ports, spec.weight, spec.locality) == ("10.0.0.5", {"http": 8080}, 3, "r/z")
    assert (spec.service_account, spec.labels) == ("vm", dict(member.labels))


def test_its_own_place_counts_before_the_groups() -> None:
    own = Locality("here")
    assert made().member(proxy(locality=own), CALLER).locality == own


def test_who_names_no_group_is_as_it_was() -> None:
    bare = proxy(group="")
    assert made().member(bare, None) is bare


@pytest.mark.parametrize(
    ("claims", "caller", "why"),
    [
        ({}, None, "prove who they are"),
        ({"group": "others"}, CALLER, "WorkloadGroup shop/others is not there"),
        ({"namespace": "bank"}, Caller("cluster.local", "bank", "vm"), "WorkloadGroup bank/vms is not there"),
        ({}, Caller("cluster.local", "shop", "web"), "is of service account 'vm'"),
        ({"kind": "router"}, CALLER, "takes sidecars"),
        ({"addresses": ()}, CALLER, "says none"),
        ({"addresses": ("vm.example",)}, CALLER, "must be an IP address"),
        *(
            ({"addresses": (address,)}, CALLER, "others reach it by")
            for address in ("127.0.0.1", "::1", "0.0.0.0", "224.0.0.1", "169.254.1.1", "::ffff:127.0.0.1", "fe80::1%e")
        ),
    ],
)  # fmt: skip
def test_denied(claims: Mapping[str, Any], caller: Caller | None, why: str) -> None:
    with pytest.raises(Denied, match=why):
        made().member(proxy(**{**claims, "address": "10.0.0.5"}) if "addresses" not in claims else _at(claims), caller)


def _at(claims: Mapping[str, Any]) -> Proxy:
    return Proxy("x", namespace="shop", service_account="vm", group="vms", addresses=claims["addresses"])


def test_the_account_is_default_where_the_group_names_none() -> None:
    group = WorkloadGroup(group_ref("shop", "vms"))
    caller = Caller("cluster.local", "shop", "default")
    assert made(group).member(proxy(service_account="default"), caller).name == "vms-10.0.0.5"
    with pytest.raises(Denied):
        made(group).member(proxy(), CALLER)


async def test_it_is_gone_a_while_after_its_last_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "GRACE_S", 0.01)
    source = made()
    member = source.member(proxy(), CALLER)
    source.came(member)
    source.came(member)
    assert (await said(source)).upserts
    source.left(member)
    source.left(member)
    assert await said(source) == Changed("machines", (), (ENTRY,))
    source.left(member)  # of a stream that was never told of: nothing


async def test_who_comes_back_in_time_was_never_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "GRACE_S", 0.01)
    source = made()
    first, second = (source.member(proxy(address), CALLER) for address in ("10.0.0.5", "10.0.0.6"))
    source.came(first)
    source.came(second)
    assert len((await said(source)).upserts) == 2
    source.left(first)
    source.came(first)
    source.left(second)
    # The second's time is up after the first's would have been.
    assert [ref.name for ref in (await said(source)).deletes] == ["vms-10.0.0.6"]


async def test_a_group_has_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "MOST_OF_GROUP", 1)
    monkeypatch.setattr(machines, "GRACE_S", 0.0)
    source = made()
    first = source.member(proxy(), CALLER)
    source.came(first)
    assert source.member(proxy(), CALLER) == first, "it is one of them"
    with pytest.raises(Denied, match="has 1 machines already"):
        source.member(proxy("10.0.0.6"), CALLER)
    assert (await said(source)).upserts
    source.left(first)
    assert (await said(source)).deletes == (ENTRY,)
    source.came(source.member(proxy("10.0.0.6"), CALLER))


def test_names_of_entries() -> None:
    assert entry_name("vms", "10.0.0.5", "west") == "vms-10.0.0.5-west"
    assert entry_name("vms", "fd00::") == "vms-fd00-0000-0000-0000-0000-0000-0000-0000"


async def test_a_node_says_its_group_by_its_metadata() -> None:
    snapshot = Snapshot({Table.WORKLOAD_GROUP: {GROUP.ref: (GROUP,)}})
    metadata = {"NAMESPACE": "shop", "SERVICE_ACCOUNT": "vm", "AUTO_REGISTER_GROUP": "vms", "INSTANCE_IPS": "10.0.0.5"}
    node = Node("sidecar~10.0.0.5~me.shop~shop.svc.cluster.local", metadata=metadata)
    comings = Comings(lambda: snapshot)
    member = comings.proxy(node, Peer("ipv4:10.0.0.5:4242"), CALLER)
    assert (member.group, member.name) == ("vms", "vms-10.0.0.5")
    comings.came(member)
    comings.left(member)


PROBE = Probe(Check(9090, "/health"), period=timedelta(seconds=3), failures=2)


async def test_a_machine_that_is_not_well_says_so_in_its_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "STEADY_S", 0.0)
    source = made(replace(GROUP, probe=PROBE))
    member = source.member(proxy(), CALLER)
    source.told(member, False)
    assert not source.entries, "who is not there is nobody"
    source.came(member)
    for well, said_so in ((True, None), (False, "false"), (False, "false"), (True, None), (False, "false")):
        source.told(member, well)
        assert source.entries[ENTRY].metadata.annotations.get(WELL) == said_so
    source.came(member)
    assert source.entries[ENTRY].metadata.annotations[WELL] == "false", "another stream of it says nothing else"


async def test_what_a_machine_says_of_itself_holds_for_a_while() -> None:
    source = made(replace(GROUP, probe=PROBE))
    member = source.member(proxy(), CALLER)
    source.came(member)
    for well in (False, True, False, True):
        source.told(member, well)
    assert source.entries[ENTRY].metadata.annotations[WELL] == "false"


def test_what_the_proxy_of_a_machine_is_asked() -> None:
    asked = made(replace(GROUP, probe=PROBE)).question(proxy())
    assert asked is not None
    (cluster,) = asked.cluster_health_checks
    (check,) = cluster.health_checks
    assert (check.interval.seconds, check.unhealthy_threshold.value, check.healthy_threshold.value) == (3, 2, 1)
    assert (check.http_health_check.path, check.http_health_check.expected_statuses[0].end) == ("/health", 400)
    assert cluster.locality_endpoints[0].endpoints[0].address.socket_address.port_value == 9090


@pytest.mark.parametrize("probe", [None, Probe(Check(command=("true",)))], ids=["none", "command"])
def test_who_is_asked_nothing(probe: Probe | None) -> None:
    assert made(replace(GROUP, probe=probe)).question(proxy()) is None
    assert made(replace(GROUP, probe=PROBE)).question(proxy(group="")) is None
