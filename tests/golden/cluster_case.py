"""The driver of the goldens about callers of a service: DestinationRules in, clusters and TCP proxies out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.decoders import destination_rule, mesh_config
from xds.decoders.row import Authored
from xds.decoders.shape.decode import Place, decode_object
from xds.model.mesh import Mesh
from xds.model.policy import AtCaller, Policies
from xds.model.problem import Problem, Problems, Severity
from xds.model.refs import Origin
from xds.model.service import DestinationRule, Protocol, Service, ServicePort
from xds.translators import cds, lds
from xds.translators.registry import features
from xds.view import names
from xds.view.attach import policies_for
from xds.view.clusters import discovery, spoken, subset_names, upstream_protocol
from xds.view.specs.clusters import ClusterSpec, Discovery
from xds.view.specs.listeners import Chain, ChainMatch, ListenerSpec, TcpChain
from xds.view.specs.routes import WeightedCluster
from xds.wire.codec import to_plain

Plain = dict[str, Any]
HOST = "b.shop.svc.cluster.local"
EVERYWHERE: Plain = to_plain(cds.cluster(ClusterSpec("", Discovery.EDS)))


class Case:
    """A golden case, read: what its objects decode to, and the specs that the view would make of them.

    Shape: ``port`` beside ``given`` is ``{number, protocol}`` of the service b in namespace shop, ``{80, HTTP}`` if
    absent.
    """

    def __init__(self, case: Mapping[str, Any]) -> None:
        port: Plain = {"number": 80, "protocol": "HTTP"} | dict(case.get("port") or {})
        self.problems: list[Problem] = []
        self._port = ServicePort(port["number"], "", Protocol(port["protocol"]), port["number"])
        self._rule: DestinationRule | None = None
        self._mesh: Mesh = mesh_config.DEFAULT
        for plain in case["given"]:
            self._read(plain)

    def _read(self, plain: Plain) -> None:
        api = {"DestinationRule": "networking.istio.io/v1", "MeshConfig": "mesh.istio.io/v1alpha1"}[plain["kind"]]
        decoded = decode_object({"apiVersion": api, **plain}, Place(Origin("case")))
        self.problems += decoded.problems
        for each in decoded.objects:
            found = Problems()
            authored = Authored(each.ref, each.struct, found)
            decoder = destination_rule.decode if plain["kind"] == "DestinationRule" else mesh_config.decode
            for row in decoder(authored):
                if isinstance(row.value, DestinationRule):
                    self._rule = row.value
                elif isinstance(row.value, Mesh):
                    self._mesh = row.value
            self.problems += found

    @property
    def errors(self) -> bool:
        """Whether anything is wrong with the case's objects."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def clusters(self) -> list[ClusterSpec]:
        """The cluster of the service's port, and of each subset."""
        return [self._cluster(subset) for subset in subset_names(self._rule)]

    def _policies(self, subset: str) -> Policies:
        return policies_for(self._rule, subset, self._port.number).over(self._mesh.cluster_policies)

    def _cluster(self, subset: str) -> ClusterSpec:
        policies = self._policies(subset)
        ref = self._rule.ref if self._rule is not None else None
        service = Service(ref, HOST, "shop", (self._port,)) if ref is not None else None
        how = discovery(service, policies) if service is not None else None
        assert how is not None, "a case needs a DestinationRule"
        return ClusterSpec(
            name=names.outbound_cluster(self._port.number, subset, HOST),
            discovery=how,
            protocol=upstream_protocol(spoken(self._port.protocol, policies)),
            connect_timeout=self._mesh.connect_timeout,
            policies=policies,
        )

    def at_caller(self) -> Policies:
        """What the policies of the whole host leave to routes and listeners."""
        parts = [policy.at_caller() for policy in self._policies("").that(AtCaller)]
        return Policies(part for part in parts if part is not None)

    def listener(self) -> ListenerSpec:
        """A listener that passes connections to the host on."""
        share = WeightedCluster(names.outbound_cluster(self._port.number, "", HOST))
        content = TcpChain("tcp", (share,), self.at_caller())
        return ListenerSpec("10.0.0.1_80", "10.0.0.1", 80, (Chain("tcp", ChainMatch(), content),))


def outcome(text: str) -> Plain:
    """What ``then`` should hold: each cluster, what is left to routes and listeners, and the findings.

    Shape: ``clusters`` by name without what every cluster has, ``http`` for the HttpProtocolOptions; ``route`` and
    ``tcp_proxy`` only where there is something. Nothing but ``problems`` where an object has errors.
    """
    case = Case(yaml.safe_load(text))
    problems = [str(problem) for problem in case.problems]
    if case.errors:
        return {"problems": problems}
    found: Plain = {"clusters": {spec.name: _cluster(spec) for spec in case.clusters()}}
    route = _route_action(case.at_caller())
    if route:
        found["route"] = route
    proxy = _tcp_proxy(case.listener())
    for everywhere in ("@type", "stat_prefix", "cluster", "access_log", "access_log_options"):
        proxy.pop(everywhere, None)
    if proxy:
        found["tcp_proxy"] = proxy
    return found | {"problems": problems}


def _cluster(spec: ClusterSpec) -> Plain:
    message = cds.cluster(spec)
    plain = to_plain(message)
    for everywhere, value in EVERYWHERE.items():
        if plain.get(everywhere) == value:
            del plain[everywhere]
    for word in ("name", "alt_stat_name", "type", "metadata", "eds_cluster_config"):
        plain.pop(word, None)
    options = plain.pop("typed_extension_protocol_options", {})
    for value in options.values():
        http = {key: inner for key, inner in value.items() if key != "@type"}
        if http != {"explicit_http_config": {"http_protocol_options": {}}}:
            plain["http"] = http
    # The enum's first value is not in the plain form.
    return {"lb_policy": Cluster.LbPolicy.Name(message.lb_policy)} | plain


def _route_action(policies: Policies) -> Plain:
    """The RouteAction fragments of what is left to the caller, put together."""
    found: Plain = {}
    for feature in features():
        policy = policies.get(feature.policy)
        if policy is not None and feature.route_action is not None:
            found |= to_plain(feature.route_action(policy))
    return found


def _tcp_proxy(spec: ListenerSpec) -> Plain:
    plain = to_plain(lds.listener(spec))
    return dict(plain["filter_chains"][0]["filters"][0]["typed_config"])
