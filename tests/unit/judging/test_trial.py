"""An object that is not stored yet is tried: what Envoy would refuse of it is known, and nothing is changed by that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.objects import applied, written
from tests.unit.judging.test_quarantine import World, route
from xds.decoders.build import Builder
from xds.decoders.row import Row
from xds.judging import trial as module
from xds.judging.trial import Trial
from xds.model.refs import ObjectRef
from xds.prover.candidate import Verdict
from xds.webhooks.validate import Tried
from xds.wire.resource import Resource

NETWORKING = "networking.istio.io"


def patch(name: str, timeout: str) -> str:
    match = {"context": "SIDECAR_OUTBOUND", "cluster": {"service": "web.shop.svc.cluster.local"}}
    change = {"operation": "MERGE", "value": {"connect_timeout": timeout}}
    spec = {"configPatches": [{"applyTo": "CLUSTER", "match": match, "patch": change}]}
    metadata = {"name": name, "namespace": "shop"}
    return yaml.safe_dump(
        {"apiVersion": f"{NETWORKING}/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec}
    )


def entry(host: str) -> str:
    ports = [{"number": 80, "name": "http", "protocol": "HTTP"}]
    spec = {"hosts": [host], "ports": ports, "resolution": "STATIC", "endpoints": [{"address": "10.9.9.9"}]}
    metadata = {"name": "more", "namespace": "shop"}
    return yaml.safe_dump(
        {"apiVersion": f"{NETWORKING}/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}
    )


def rows(text: str, ref: ObjectRef) -> tuple[Row, ...]:
    builder = Builder()
    applied(builder, written(text))
    return tuple(builder.rows(ref))


async def tried(world: World, text: str) -> Tried:
    plain = yaml.safe_load(text)
    ref = ObjectRef(NETWORKING, plain["kind"], "shop", plain["metadata"]["name"])
    before = world.builder.rows(ref)
    return await Trial(world.pipeline, world.judge).tried(ref, rows(text, ref), before)


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "_BOUND_S", 5.0)
    found = World(tmp_path)
    await found.connect()
    return found


async def test_what_a_rule_of_envoy_forbids_is_found(world: World) -> None:
    assert await tried(world, patch("fine", "1s")) == Tried()
    found = await tried(world, patch("bad", "-1s"))
    (problem,) = found.problems
    assert "EnvoyFilter shop/bad" in str(problem)
    assert "connect_timeout" in problem.message
    assert found.whole


async def test_what_an_envoy_refuses_is_found(world: World) -> None:
    assert await tried(world, route("web", "good")) == Tried()
    found = await tried(world, route("web", "bad"))
    assert {each.code for each in found.problems} == {"envoy.refused"}
    assert (await tried(world, entry("bad.example.com"))).problems, "what is not there yet is looked at as well"
    assert not (await tried(world, entry("other.example.com"))).problems


async def test_nothing_is_changed_by_it(world: World) -> None:
    await world.apply(route("web", "one"))
    made, snapshot = world.pipeline.graph.made, world.pipeline.graph.snapshot
    assert (await tried(world, route("web", "bad"))).problems
    assert (world.pipeline.graph.made, world.pipeline.graph.snapshot) == (made, snapshot)
    assert not world.pipeline.quarantine.refusals
    await world.apply(route("web", "two"))
    assert world.says("web") == "two"


async def test_who_is_not_to_blame_is_let_pass(world: World) -> None:
    await world.apply(patch("bad", "-1s"))
    rule = {"host": "web", "trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 7}}}}
    metadata = {"name": "web", "namespace": "shop"}
    plain = {"apiVersion": f"{NETWORKING}/v1", "kind": "DestinationRule", "metadata": metadata, "spec": rule}
    assert await tried(world, yaml.safe_dump(plain)) == Tried()


async def test_nobody_has_the_prover_asked_more_while_an_answer_is_awaited(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BOUND_S", 0.05)
    world.judge.may.clear()
    asked: list[int] = []
    opinions = world.judge.opinions

    async def counted(resources: Iterable[Resource]) -> dict[Resource, Verdict]:
        asked.append(1)
        return await opinions(resources)

    monkeypatch.setattr(world.judge, "opinions", counted)
    trial = Trial(world.pipeline, world.judge)
    ref = ObjectRef(NETWORKING, "VirtualService", "shop", "web")
    for number in range(3):
        text = route("web", f"new-{number}")
        assert await trial.tried(ref, rows(text, ref), ()) == Tried(whole=False)
    assert len(asked) == 1, "what was given up on is still in the prover's queue"
    world.judge.may.set()
    monkeypatch.setattr(module, "_BOUND_S", 5.0)
    text = route("web", "bad")
    assert (await trial.tried(ref, rows(text, ref), ())).problems


async def test_it_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BOUND_S", 0.05)
    world.judge.may.clear()
    began = asyncio.get_running_loop().time()
    assert await tried(world, route("web", "bad")) == Tried(whole=False)
    assert asyncio.get_running_loop().time() - began < 5
