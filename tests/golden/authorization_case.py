"""The driver of the goldens about authorization: policies in, the filters of a workload of namespace shop out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from tests.objects import HERE, applied
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.decoders.build import Builder
from xds.decoders.shape.decode import decode_object
from xds.kinds.authored import Authored
from xds.model.filters import FilterSlot
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.problem import Problem
from xds.translators.ecds import filter_config
from xds.view.filters import filters
from xds.view.graph import Graph, call
from xds.view.specs.resources import FilterSpec
from xds.wire.codec import to_plain

Plain = dict[str, Any]
API: Final = {
    "AuthorizationPolicy": "security.istio.io/v1",
    "MeshConfig": "mesh.istio.io/v1alpha1",
    "Pod": "v1",
    "RateLimit": "networking.plait.dev/v1alpha1",
    "RequestAuthentication": "security.istio.io/v1",
    "Service": "v1",
}
WORKLOAD: Final = ("shop", labels({"app": "web"}))


class Case:
    """A golden case, read: the findings, and what stands in the slots of shop's workload app=web.

    Shape: ``chains`` beside ``given`` says which chains are shown, ``[http]`` if absent.
    """

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.problems: list[Problem] = []
        self._chains: list[str] = case.get("chains", ["http"])
        objects: list[Object[Authored]] = []
        for plain in case["given"]:
            decoded = decode_object({"apiVersion": API[plain["kind"]], **plain}, HERE)
            self.problems += decoded.problems
            objects += decoded.objects
        builder = Builder()
        self._graph = Graph(applied(builder, objects).snapshot)
        self.problems += builder.problems

    def filters(self, chain: str) -> Iterator[tuple[FilterSlot, TypedExtensionConfig]]:
        """What stands in the slots that policies have something for, in their order."""
        specs: tuple[FilterSpec, ...] = self._graph.get(call(filters, *WORKLOAD))
        for spec in specs:
            if spec.policies and spec.tcp is (chain == "tcp"):
                yield spec.slot, filter_config(spec)

    def outline(self) -> Plain:
        """The filters, by chain and slot."""
        found: Plain = {}
        for chain in self._chains:
            for slot, config in self.filters(chain):
                plain = to_plain(config)["typed_config"]
                kind = plain.pop("@type").rpartition("/")[2].removeprefix("envoy.extensions.filters.")
                found.setdefault(chain, {})[slot.value] = {kind: plain}
        return found


def outcome(text: str) -> Plain:
    """What ``then`` should hold: each slot's filter, and the findings."""
    case = Case(yaml.safe_load(text))
    return case.outline() | {"problems": [str(problem) for problem in case.problems]}
