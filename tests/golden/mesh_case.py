"""Golden cases of whole meshes: what the user wrote, then what one proxy is sent, as an outline of its specs."""

from __future__ import annotations

from typing import Any

from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.decoders.workloads import locality
from xds.kinds.authored import Authored
from xds.model.endpoint import Health
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.view.graph import Graph, call
from xds.view.proxy_view import proxy_view
from xds.view.specs.clusters import ClusterSpec, EndpointGroup, LocalityGroup
from xds.view.specs.listeners import Chain, EdgeSocket, FoundChain, HttpChain, ListenerSpec, ServerTls, TcpChain
from xds.view.specs.observed import UNSTATED, Observed, RuntimeSpec
from xds.view.specs.resources import (
    AddedSpec,
    ConnectionSpec,
    FilterSpec,
    OfferedProtocols,
    PatchedSpec,
    SecretSpec,
    Spec,
)
from xds.view.specs.routes import RouteSpec, RouteTable, VirtualHostSpec, WeightedCluster

# What every sidecar has is in the case `skeleton` once, and left out of the others.
ALWAYS = ("virtualOutbound", "BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster")


def outline(case: dict[str, Any]) -> dict[str, Any]:
    """What the proxy of a case is sent: by kind of spec and name, the decisions in a few words."""
    builder = Builder()
    change = applied(builder, objects_of(case))
    found: dict[str, dict[str, Any]] = {}
    specs = _specs(Graph(change.snapshot), proxy_of(case))
    ways = {spec.name: spec.content for spec in specs if isinstance(spec, ConnectionSpec)}
    for spec in specs:
        if isinstance(spec, ConnectionSpec | OfferedProtocols):
            continue  # shown where listeners refer to them
        if case.get("everything") or spec.name not in ALWAYS:
            if isinstance(spec, FilterSpec) and not spec.policies:
                continue
            if isinstance(spec, RuntimeSpec) and not (spec.numbers or spec.shares):
                continue
            kind, value = _outline(spec, ways)
            found.setdefault(kind, {})[spec.name] = value
    then: dict[str, Any] = {kind: dict(sorted(found[kind].items())) for kind in sorted(found)}
    problems = [str(problem) for problem in builder.problems]
    return then | ({"problems": problems} if problems else {})


def objects_of(case: dict[str, Any]) -> list[Object[Authored]]:
    """The objects of a case; its manifests may leave ``apiVersion`` out."""
    return [made({"apiVersion": _version(plain["kind"]), **plain}) for plain in case["given"]]


def proxy_of(case: dict[str, Any]) -> Proxy:
    """The proxy of a case: of namespace ``shop`` unless it says otherwise."""
    asked = dict(case.get("proxy", {}))
    return Proxy(
        "test",
        kind=asked.get("kind", "sidecar"),
        namespace=asked.get("namespace", "shop"),
        name=asked.get("name", ""),
        labels=labels(asked.get("labels", {})),
        vhds=asked.get("vhds", True),
        identity=Identity(asked.get("identity", "none")),
        locality=locality(asked.get("locality", "")),
    )


def _version(kind: str) -> str:
    group = {
        "EndpointSlice": "discovery.k8s.io/v1",
        "MeshConfig": "mesh.istio.io/v1alpha1",
        "Telemetry": "telemetry.istio.io/v1",
    } | dict.fromkeys(("AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"), "security.istio.io/v1")
    core = {"Service", "Pod", "Node", "Namespace", "Secret"}
    return "v1" if kind in core else group.get(kind, "networking.istio.io/v1")


def _specs(graph: Graph, proxy: Proxy) -> list[Spec]:
    found: dict[tuple[type, str], Spec] = {}
    for root in graph.get(call(proxy_view, proxy)):  # what lies over another comes after it
        for group in graph.get(root):
            for leaf in graph.get(group):
                found |= {(type(spec), spec.name): spec for spec in graph.get(leaf)}
    return list(found.values())


def _outline(spec: Spec, ways: dict[str, TcpChain]) -> tuple[str, Any]:
    if isinstance(spec, ClusterSpec):
        return "clusters", _cluster(spec)
    if isinstance(spec, EndpointGroup):
        return "endpoints", _localities(spec.localities)
    if isinstance(spec, ListenerSpec):
        return "listeners", _listener(spec, ways)
    if isinstance(spec, RouteTable):
        hosts = {host.name: _virtual_host(host) for host in spec.virtual_hosts}
        return "tables", hosts | ({"vhds": True} if spec.vhds else {})
    if isinstance(spec, FilterSpec):
        return "filters", " ".join(type(policy).__name__ for policy in spec.policies)
    if isinstance(spec, SecretSpec | RuntimeSpec):
        return _of_proxy(spec)
    if isinstance(spec, PatchedSpec | AddedSpec):
        patches = spec.patches if isinstance(spec, PatchedSpec) else (spec.patch,)
        said = [f"{each.at.object.name} {each.operation.value} {each.to.value}" for each in patches]
        return "patched" if isinstance(spec, PatchedSpec) else "added", said
    assert isinstance(spec, VirtualHostSpec)
    return "hosts", _virtual_host(spec)


def _of_proxy(spec: SecretSpec | RuntimeSpec) -> tuple[str, Any]:
    if isinstance(spec, SecretSpec):
        return "secrets", "key" if spec.private_key else "authorities"
    return "switches", dict(spec.numbers) | {key: f"{share} of a million" for key, share in spec.shares}


def _cluster(spec: ClusterSpec) -> str:
    words = [spec.discovery.value, spec.protocol.value]
    words += [f"port {spec.port_override}"] if spec.port_override else []
    words += [f"from {address}" for address in spec.source_addresses]
    words += _localities(spec.endpoints)
    if spec.mesh_tls is not None:
        mode = "mtls" if spec.mesh_tls.by_endpoint else "always-mtls"
        words += [mode, *(name.removeprefix("spiffe://") for name in spec.mesh_tls.names)]
    return " ".join(words)


def _localities(groups: tuple[LocalityGroup, ...]) -> list[str]:
    return [
        " ".join(
            filter(
                None,
                (
                    f"{endpoint.address}:{endpoint.port}",
                    "" if endpoint.health is Health.HEALTHY else endpoint.health.value,
                    "tls" if endpoint.tls else "",
                    "/".join(group.locality).rstrip("/"),
                    f"priority {group.priority}" if group.priority else "",
                    f"weight {group.weight}" if group.weight else "",
                ),
            )
        )
        for group in groups
        for endpoint in group.endpoints
    ]


def _listener(spec: ListenerSpec, ways: dict[str, TcpChain]) -> dict[str, str]:
    chains = {_match(chain): _content(chain, ways) for chain in spec.chains}
    chains |= {"else": _content(spec.fallback, ways)} if spec.fallback is not None else {}
    return chains | ({"told": _told(spec.observed)} if spec.observed != UNSTATED else {})


def _told(observed: Observed) -> str:
    words = [f"{each.name}: {type(each.to).__name__} {each.expression}".strip() for each in observed.loggers]
    traced = observed.traced
    if traced is not None:
        words.append(f"{type(traced.to).__name__} {traced.to.cluster} {traced.sampling:g}%")
        words += [f"{tag.name}={tag.value}" for tag in traced.tags]
    return ", ".join(words)


def _match(chain: Chain) -> str:
    match = chain.match
    words = [f"port {match.destination_port}"] if match.destination_port else []
    words += [*match.server_names, *match.prefixes, match.transport, *match.application_protocols]
    return " ".join(filter(None, words)) or "any"


def _content(chain: Chain, ways: dict[str, TcpChain]) -> str:
    tls = {EdgeSocket: "tls ", ServerTls: "mtls "}.get(type(chain.tls), "")
    return tls + _passed(chain, ways)


def _passed(chain: Chain, ways: dict[str, TcpChain]) -> str:
    content = chain.content
    if isinstance(content, FoundChain):
        resolved = f"sni on {content.resolves} " if content.resolves else ""
        content = ways[content.name]
        return f"{resolved}tcp {_shares(content.clusters)}"
    if isinstance(content, HttpChain):
        return f"routes {content.route_table}"
    return f"tcp {_shares(content.clusters)}"


def _virtual_host(host: VirtualHostSpec) -> dict[str, Any]:
    return {"domains": list(host.domains), "routes": [_route(route) for route in host.routes]}


def _route(route: RouteSpec) -> str:
    path = f"{route.match.path.comparison.value} {route.match.path.value}" if route.match.path else ""
    headers = " ".join(f"{each.name}={each.match.value}" for each in route.match.headers)
    return " ".join(filter(None, (route.name, path, headers, "->", _targets(route)))).removeprefix("-> ")


def _targets(route: RouteSpec) -> str:
    return _shares(route.clusters) or "answered"


def _shares(clusters: tuple[WeightedCluster, ...]) -> str:
    return " ".join(f"{each.cluster}*{each.weight}" if len(clusters) > 1 else each.cluster for each in clusters)
