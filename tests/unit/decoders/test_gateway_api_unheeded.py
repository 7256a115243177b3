"""What is taken of the Gateway API and not carried out is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, made
from tests.unit.view.gateway_api.meshes import Plain, gateway, listener, route
from xds.decoders.build import Builder
from xds.model.gateway_api import CONTROLLER
from xds.model.snapshot import Input, Table

RULE: Plain = {"backendRefs": [{"name": "web", "port": 80}]}
OPTIONS: dict[str, Any] = {"options": {"example.org/x": "y", "gateway.istio.io/tls-terminate-mode": "SIMPLE"}}
PARAMETERS: Plain = {"group": "", "kind": "ConfigMap", "name": "x"}


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        (route(rules=[{**RULE, "sessionPersistence": {"type": "Cookie"}}]), "spec.rules[0].sessionPersistence"),
        (route(kind="GRPCRoute", rules=[{**RULE, "sessionPersistence": {}}]), ""),
        (route(kind="TCPRoute", rules=[RULE, RULE]), "spec.rules[1]"),
        (gateway(listener("s", "HTTPS", 443, tls=OPTIONS)), 'spec.listeners[0].tls.options["example.org/x"]'),
        (gateway(infrastructure={"parametersRef": PARAMETERS}), "spec.infrastructure.parametersRef"),
        (gateway(infrastructure={"annotations": {"a.test/x": "y"}}), 'spec.infrastructure.annotations["a.test/x"]'),
        (gateway(infrastructure={"annotations": {"x": "y", "prometheus.io/port": "1"}}), ""),
    ],
)
def test_a_warning_at_the_field(plain: Plain, field: str) -> None:
    builder = Builder()
    applied(builder, [made(plain)])
    assert [(each.code, each.at.dotted) for each in builder.problems] == (
        [("gateway-api.not-carried-out", field)] if field else []
    )


def test_whose_classes_are_served_can_be_chosen() -> None:
    for chosen, wanted in (((CONTROLLER,), {"plait": True, "istio": False}), (None, {"plait": True, "istio": True})):
        builder = Builder() if chosen is None else Builder(gateway_controllers=chosen)
        classes = [
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": name},
             "spec": {"controllerName": f"{domain}/gateway-controller"}}
            for name, domain in (("plait", "plait.dev"), ("istio", "istio.io"))
        ]  # fmt: skip
        snapshot = applied(builder, [made(each) for each in classes]).snapshot
        assert {name: snapshot.read(Input(Table.GATEWAY_CLASS, name))[0].ours for name in wanted} == wanted
