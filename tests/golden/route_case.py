"""The driver of the goldens about routes: VirtualServices in, the routes of host b out, as callers in shop get them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import yaml

from tests.objects import HERE, applied
from xds.decoders.build import Builder
from xds.decoders.shape.decode import decode_object
from xds.kinds.authored import Authored
from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.proxy import Proxy
from xds.translators import rds
from xds.view.graph import Graph, call
from xds.view.hosts_reached import hosts_on_port
from xds.view.routes import routes
from xds.view.scope import scope
from xds.view.specs.routes import RouteSpec
from xds.wire.codec import to_plain

Plain = dict[str, Any]
API: Final = {
    "VirtualService": "networking.istio.io/v1",
    "DestinationRule": "networking.istio.io/v1",
    "MeshConfig": "mesh.istio.io/v1alpha1",
    "Service": "v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "GRPCRoute": "gateway.networking.k8s.io/v1",
}
HOST: Final = "b.shop.svc.cluster.local"
CALLER: Final = Proxy("golden", namespace="shop", name="caller")
SERVICES: Final = tuple(
    {
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": name},
        "spec": {"clusterIP": address, "ports": [{"name": "http", "port": 80}]},
    }
    for name, address in (("b", "10.96.0.1"), ("c", "10.96.0.2"))
)


class Case:
    """A golden case, read: the findings, and the routes of b, a service on port 80 beside another, c."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        objects: list[Object[Authored]] = []
        for plain in (*SERVICES, *case["given"]):
            decoded = decode_object({"apiVersion": API[plain["kind"]], **plain}, HERE)
            self.problems += decoded.problems
            objects += decoded.objects
        builder = Builder()
        self._graph = Graph(applied(builder, objects).snapshot)
        self.problems += builder.problems

    def routes(self) -> tuple[RouteSpec, ...]:
        """The routes of b on port 80."""
        callers = self._graph.get(call(scope, CALLER))
        hosts = self._graph.get(call(hosts_on_port, callers, 80))
        found: tuple[RouteSpec, ...] = self._graph.get(call(routes, next(each for each in hosts if each.host == HOST)))
        return found


def outcome(text: str) -> Plain:
    """What ``then`` should hold: b's routes without what every route has, and the findings.

    An object with an error is not taken, so that what is left is the route that a service has without one: not shown.
    """
    case = Case(yaml.safe_load(text))
    usual = to_plain(rds.route(Case({"given": []}).routes()[0]))
    specs = [spec for spec in case.routes() if spec.authored is not None]
    found = [_without(to_plain(each), usual) for spec in specs for each in rds.routes(spec)]
    return ({"routes": found} if found else {}) | {"problems": [str(problem) for problem in case.problems]}


def _without(plain: Plain, usual: Plain) -> Plain:
    for field in ("name", "decorator", "metadata"):
        if field != "name" or not plain.get(field):
            plain.pop(field, None)
    if plain["match"] == usual["match"]:
        del plain["match"]
    for field, value in usual["route"].items():
        if field != "cluster" and plain.get("route", {}).get(field) == value:
            del plain["route"][field]
    return plain
