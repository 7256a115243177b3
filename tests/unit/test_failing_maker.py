"""A bug of ours in one translator or decoder: what it made last stays, and nothing else notices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, written
from xds.decoders import build
from xds.decoders.build import Builder
from xds.generations import leaves as leaves_module
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.translators.translate import named
from xds.view.specs.clusters import ClusterSpec
from xds.view.specs.resources import Spec
from xds.wire.type_urls import CLUSTER

TWO = """
{apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop}, spec: {ports: [{name: http, port: %d}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: b, namespace: shop}, spec: {ports: [{name: http, port: %d}]}}
"""


def clusters(served: Any) -> set[str]:
    return {name for table in served.of(CLUSTER) for name in table if name.startswith("outbound")}


def test_a_translator_that_raises_costs_its_own_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = Builder()
    pipeline = Pipeline(applied(builder, written(TWO % (80, 80))).snapshot)
    proxy = Proxy("p", namespace="shop")
    at_once(pipeline.connect(proxy))

    def broken(spec: Spec) -> Any:
        if isinstance(spec, ClusterSpec) and "||a." in spec.name:
            raise RuntimeError("a bug")
        return named(spec)

    monkeypatch.setattr(leaves_module, "named", broken)
    changed = at_once(pipeline.advance(applied(builder, written(TWO % (81, 81)))))
    assert clusters(changed[proxy]) == {
        "outbound|80||a.shop.svc.cluster.local",
        "outbound|81||b.shop.svc.cluster.local",
    }

    monkeypatch.setattr(leaves_module, "named", named)
    changed = at_once(pipeline.advance(applied(builder, written(TWO % (82, 82)))))
    assert clusters(changed[proxy]) == {
        "outbound|82||a.shop.svc.cluster.local",
        "outbound|82||b.shop.svc.cluster.local",
    }


def test_a_decoder_that_raises_costs_its_own_object(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(authored: Any) -> Any:
        if authored.ref.name == "a":
            raise RuntimeError("a bug")
        return decode(authored)

    decode = build.DECODERS["", "Service"]
    monkeypatch.setattr(build, "DECODERS", {**build.DECODERS, ("", "Service"): broken})
    builder = Builder()
    change = applied(builder, written(TWO % (80, 80)))
    assert [problem.code for problem in builder.problems] == ["internal.decoder"]
    pipeline = Pipeline(change.snapshot)
    assert clusters(at_once(pipeline.connect(Proxy("p", namespace="shop")))) == {
        "outbound|80||b.shop.svc.cluster.local"
    }
