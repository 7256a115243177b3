"""The random edits of ``tests/envoy/test_random_edits.py`` without Envoys: they drain nothing that is used."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

import pytest

from tests.envoy.random_edits import MACHINE, histories, mesh_itself
from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.kinds.authored import Authored
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.pipeline import Pipeline
from xds.planner.plan import drains
from xds.slices import at_once

EDITS: Final = 100
ROUTERS: Final = ("edge", "api")
USED: Final = {
    "client": ("virtualOutbound", "0.0.0.0_80"),
    **dict.fromkeys(("web-v1", "web-v2", "catalog-v1", "machine"), ("virtualInbound",)),
    **dict.fromkeys(ROUTERS, ("0.0.0.0_8080",)),
}


def proxy(plain: dict[str, Any]) -> Proxy:
    metadata = plain["metadata"]
    kind = "router" if metadata["name"] in ROUTERS else "sidecar"
    marks = labels(metadata.get("labels", {}))
    name, namespace = metadata["name"], metadata["namespace"]
    return Proxy(name, kind=kind, namespace=namespace, name=name, labels=marks, identity=Identity.ADS)


def objects(plain: list[dict[str, Any]]) -> dict[ObjectRef, Object[Authored]]:
    found = map(made, json.loads(json.dumps(plain).replace(MACHINE, "10.0.0.9")))
    return {each.ref: each for each in found}


@pytest.mark.parametrize("seed", range(2))
def test_nothing_that_is_used_drains(seed: int) -> None:
    builder, mesh, edits = Builder(), mesh_itself(), histories(Random(seed))
    pipeline = Pipeline(applied(builder, objects(mesh).values()).snapshot)
    proxies = [proxy(each) for each in mesh if each["kind"] == "Pod" and each["metadata"]["name"] in USED]
    assert len(proxies) == len(USED)
    there = objects(next(edits))
    at_once(pipeline.advance(applied(builder, there.values())))
    current = {each: at_once(pipeline.connect(each)) for each in proxies}
    for number in range(EDITS):
        before, there = there, objects(next(edits))
        changed = [each for ref, each in there.items() if ref not in before or before[ref].struct != each.struct]
        after = at_once(pipeline.advance(applied(builder, changed, before.keys() - there.keys())))
        for each, now in after.items():
            cut = [effect.said() for effect in drains(current[each], now) if effect.name in USED[each.name]]
            assert not cut, f"{each.name} at edit {number}: {[str(one.ref) for one in changed]}"
        current |= after
