"""Random histories of a mesh: manifests that come, change and go, in a world so small that they meet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.gateway_api_histories import gateway_objects
from tests.gateway_histories import BOUND, ROUTERS, gateways
from tests.objects import applied, made
from tests.security_histories import mesh_settings, pod_marks, policies, tls_settings
from xds.decoders.build import Builder, Change
from xds.model.gateway_api import GATEWAY_NAME
from xds.model.identity import Identity
from xds.model.labels import labels
from xds.model.network import NETWORK
from xds.model.object import Object
from xds.model.on_demand import LABEL, ON_DEMAND, Asked, Demand, asked_by
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef, Origin
from xds.model.security import KeySet
from xds.sources.demands import GROUP as DEMANDS
from xds.sources.demands import KIND as DEMAND
from xds.sources.issuer_keys import GROUP, KIND

Event = list[dict[str, Any]] | int
"""Manifests that are applied, or a number that chooses which object goes."""

NAMESPACES = ("a", "b")
API_ROUTERS = tuple(
    Proxy(f"r{name}", namespace="a", name=name, labels=labels({GATEWAY_NAME: name}), kind="router", vhds=vhds)
    for name, vhds in (("web", True), ("db", False))
)
NAMES = ("web", "db", "old")
LAZY = Proxy(
    "lazy", namespace="a", labels=labels({"app": "web", LABEL: ON_DEMAND}), identity=Identity.ADS, network="west"
)
PROXIES = (
    LAZY,
    *(
        Proxy(
            f"p{number}",
            namespace=namespace,
            name=name,
            labels=labels({"app": app, "version": "v1"}),
            vhds=vhds,
            identity=identity,
        )
        for number, (namespace, name, app, vhds, identity) in enumerate(
            [
                ("a", "pod-0", "web", True, Identity.ADS),
                ("a", "pod-1", "db", True, Identity.SOCKET),
                ("a", "pod-1", "web", False, Identity.NONE),
                ("b", "pod-0", "web", False, Identity.ADS),
                ("c", "x", "x", True, Identity.ADS),
            ]
        )
    ),
    *ROUTERS,
)

namespaces = st.sampled_from(NAMESPACES)
names = st.sampled_from(NAMES)
hosts = st.sampled_from(
    [
        *("web", "db", "web.a.svc.cluster.local", "*.b.svc.cluster.local", "out.example.com", "web.b"),
        *("Out.Example.Com", "10.96.0.1", "*.db.a"),
    ]
)
NEARNESS = ({"trafficDistribution": "PreferSameZone"}, {"internalTrafficPolicy": "Local"})
PLACES = st.sampled_from(
    [dict[str, Any](), {"istio-locality": "r1.a"}, {"istio-locality": "r2.b"}, {NETWORK: "east"}, {NETWORK: "west"}]
)
CONDITIONS = st.sampled_from([{"ready": True}, {"ready": False}, {"ready": False, "terminating": True}])
_NODE = "kubernetes.io/hostname"
exports = st.sampled_from([[], ["*"], ["."], ["a"], ["b", "c"]])


def meta(namespace: str, name: str, **more: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, **more}


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    name, namespace = draw(names), draw(namespaces)
    ports = draw(
        st.lists(
            st.sampled_from(
                [
                    {"name": "http", "port": 80, "targetPort": 8080},
                    {"name": "http-two", "port": 81},
                    {"name": "grpc", "port": 90, "targetPort": "named"},
                    {"name": "tcp", "port": 70},
                    {"name": "guess", "port": 60},
                    {"name": "tcp-named", "port": 71, "targetPort": "named"},
                    {"name": "http-own", "port": 15001, "targetPort": 15006},
                ]
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda port: port["port"],
        )
    )
    spec: dict[str, Any] = {"selector": {"app": name}, "ports": ports}
    shape = draw(st.sampled_from(["ip", "headless", "none", "alias"]))
    if shape == "ip":
        spec["clusterIP"] = draw(st.sampled_from(["10.96.0.1", "10.96.0.2", "10.96.0.3"]))
    elif shape == "headless":
        spec["clusterIP"] = "None"
    elif shape == "alias":
        spec = {"type": "ExternalName", "externalName": draw(hosts).lstrip("*."), "ports": ports}
    spec |= draw(st.sampled_from([*[dict[str, Any]()] * 3, *NEARNESS]))
    annotations = {"networking.istio.io/exportTo": ",".join(draw(exports))}
    marks = draw(st.sampled_from([*[dict[str, Any]()] * 3, {"istio.io/persistent-session": "sid"}, {NETWORK: "east"}]))
    if NETWORK in marks:
        spec["externalIPs"] = draw(st.sampled_from([[], ["192.0.2.1"], ["192.0.2.1", "192.0.2.2"]]))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta(namespace, name, annotations=annotations, labels=marks),
        "spec": spec,
    }


@st.composite
def slices(draw: st.DrawFn) -> dict[str, Any]:
    name, namespace = draw(names), draw(namespaces)
    addresses = draw(st.lists(st.integers(1, 5), max_size=3, unique=True))
    ports = (("http", 8080), ("tcp", 70), ("guess", 60), ("tcp-named", 1000))
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": meta(namespace, f"{name}-1", labels={"kubernetes.io/service-name": name}),
        "addressType": "IPv4",
        "ports": [{"name": port, "port": number} for port, number in ports],
        "endpoints": [{"addresses": [f"10.1.0.{n}"], "conditions": draw(CONDITIONS)} for n in addresses],
    }


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    number = draw(st.integers(1, 5))
    marks, annotations = draw(pod_marks)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(
            draw(namespaces),
            f"pod-{number % 2}",
            labels={"app": draw(names), "version": draw(st.sampled_from(["v1", "v2"])), **marks, **draw(PLACES)},
            annotations=annotations,
        ),
        "spec": {
            "serviceAccountName": draw(st.sampled_from(["default", "other"])),
            "nodeName": draw(st.sampled_from(["n1", "n2", ""])),
            "containers": [{"name": "c", "ports": [{"name": "named", "containerPort": draw(st.integers(1000, 1002))}]}],
        },
        "status": {"podIP": f"10.1.0.{number}", "phase": "Running"},
    }


@st.composite
def destination_rules(draw: st.DrawFn) -> dict[str, Any]:
    policy = st.sampled_from(
        [
            {"loadBalancer": {"simple": "ROUND_ROBIN"}},
            {"loadBalancer": {"consistentHash": {"httpHeaderName": "x-user"}}},
            {"loadBalancer": {"simple": "PASSTHROUGH"}},
            {"connectionPool": {"tcp": {"maxConnections": 7}}},
            {"outlierDetection": {}},
            {"loadBalancer": {"localityLbSetting": {"distribute": [{"from": "r1/a", "to": {"r1": 70, "r2": 30}}]}}},
            {"outlierDetection": {}, "loadBalancer": {"localityLbSetting": {"failoverPriority": ["version", _NODE]}}},
            {"loadBalancer": {"zoneAwareLbSetting": {"minClusterSize": 1}}},
        ]
    )
    tls = st.one_of(st.just(dict[str, Any]()), st.builds(lambda settings: {"tls": settings}, tls_settings))
    of_port: dict[str, Any] = {"port": {"number": 80}, "loadBalancer": {"simple": "RANDOM"}, **draw(tls)}
    of_ports = st.sampled_from([dict[str, Any](), {"portLevelSettings": [of_port]}])
    spec: dict[str, Any] = {
        "host": draw(hosts),
        "subsets": [{"name": v, "labels": {"version": v}} for v in draw(st.sets(st.sampled_from(["v1", "v2"])))],
        "exportTo": draw(exports),
        "trafficPolicy": draw(policy) | draw(of_ports) | draw(tls),
    }
    if draw(st.booleans()) or "credentialName" in str(spec):
        spec["workloadSelector"] = {"matchLabels": {"app": draw(names)}}
    metadata = meta(draw(namespaces), draw(names))
    return {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": metadata, "spec": spec}


@st.composite
def virtual_services(draw: st.DrawFn) -> dict[str, Any]:
    matches = st.sampled_from(
        [
            {"uri": {"prefix": "/x"}},
            {"port": 80},
            {"sourceLabels": {"app": "web"}},
            {"sourceNamespace": "b"},
            {"headers": {"h": {"exact": "1"}}},
        ]
    )
    route = {"destination": {"host": draw(hosts).lstrip("*."), "subset": draw(st.sampled_from(["", "v1"]))}}
    http: list[dict[str, Any]] = [{"match": draw(st.lists(matches, max_size=2)), "route": [route], "timeout": "3s"}]
    if draw(st.booleans()):
        http.append({"delegate": {"name": draw(names)}})
    own = draw(st.one_of(st.just([]), st.lists(hosts, min_size=1, max_size=2, unique=True)))
    spec = {"hosts": own, "http": http, "exportTo": draw(exports), **draw(st.sampled_from(BOUND))}
    if draw(st.booleans()):
        connections = st.sampled_from(
            [
                {"port": 70},
                {"sourceLabels": {"app": "web"}, "port": 60},
                {"destinationSubnets": ["10.96.0.0/30", "10.7.1.0/24"]},
                {"sourceNamespace": "b"},
            ]
        )
        spec["tcp"] = [{"match": draw(st.lists(connections, max_size=2)), "route": [route]}]
        named = [host for host in own if host != "*"]
        match = {
            "sniHosts": named,
            **draw(st.sampled_from([{}, {"port": 444}, {"destinationSubnets": ["10.7.0.0/16"]}])),
        }
        spec["tls"] = [{"match": [match], "route": [route]}] if named else []
    metadata = meta(draw(namespaces), draw(names))
    return {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata, "spec": spec}


@st.composite
def service_entries(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "hosts": [
            draw(st.sampled_from(["out.example.com", "Out.example.com", "web.b", "other.example.com", "10.96.0.2"]))
        ],
        "ports": [
            draw(
                st.sampled_from(
                    [
                        {"number": 80, "name": "http", "protocol": "HTTP"},
                        {"number": 443, "name": "tls"},
                        {"number": 444, "name": "tcp"},
                        {"number": 444, "name": "tls-b", "protocol": "TLS"},
                    ]
                )
            )
        ],
        "resolution": draw(st.sampled_from(["NONE", "DNS", "STATIC", "DYNAMIC_DNS"])),
        "exportTo": draw(exports),
    }
    if spec["resolution"] == "STATIC" and draw(st.booleans()):
        spec |= {"workloadSelector": {"labels": {"app": draw(names)}}, "location": "MESH_INTERNAL"}
    elif spec["resolution"] == "STATIC":
        spec["endpoints"] = [{"address": "10.9.0.1", "labels": {"version": "v1"}}]
    if draw(st.booleans()):
        single = spec["resolution"] in ("DNS", "DYNAMIC_DNS")
        ranges = [] if single else ["10.7.1.1/16", "10.7.0.0/16", "FD00::1/64"]
        spec["addresses"] = [draw(st.sampled_from(["10.96.0.1", "240.240.0.9", "FD00::1", "fd00::1", *ranges]))]
    metadata = meta(draw(namespaces), draw(names))
    return {"apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry", "metadata": metadata, "spec": spec}


@st.composite
def workload_entries(draw: st.DrawFn) -> dict[str, Any]:
    where: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {"address": "10.1.0.1"},
            {"address": "10.8.0.1", "ports": {"http": 99}},
            {"address": "vm.b"},
            {"network": "east"},
        ]
    )
    marks: dict[str, str] = draw(st.sampled_from([dict[str, str](), {"security.istio.io/tlsMode": "istio"}]))
    metadata = meta(draw(namespaces), draw(names), labels={"app": draw(names), **marks})
    spec = {**draw(where), "serviceAccount": "other"}
    return {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": metadata, "spec": spec}


_nodes = st.builds(
    lambda name, zone: {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": zone}},
    },
    st.sampled_from(["n1", "n2"]),
    st.sampled_from(["z1", "z2"]),
)
mesh_configs = st.builds(
    lambda mode, seconds, more: {
        "apiVersion": "mesh.istio.io/v1alpha1",
        "kind": "MeshConfig",
        "metadata": meta("istio-system", "istio"),
        "spec": {"outboundTrafficPolicy": {"mode": mode}, "connectTimeout": f"{seconds}s", **more},
    },
    st.sampled_from(["ALLOW_ANY", "REGISTRY_ONLY", "ALLOW_ANY_DYNAMIC_DNS"]),
    st.integers(1, 2),
    mesh_settings,
)


@st.composite
def sidecars(draw: st.DrawFn) -> dict[str, Any]:
    patterns = st.sampled_from(
        [
            "./*",
            "*/*",
            "a/*",
            "b/web.b.svc.cluster.local",
            "*/out.example.com",
            "~/*",
            "~a/*",
            "*/*.b.svc.cluster.local",
        ]
    )
    egress: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            dict[str, Any](),
            {"port": {"number": 80, "protocol": "HTTP"}},
            {"port": {"number": 81, "protocol": "HTTP"}, "bind": "127.0.0.1", "captureMode": "NONE"},
            {"port": {"number": 70, "protocol": "TCP"}, "bind": "127.0.0.2"},
            {"port": {"number": 3128, "protocol": "HTTP_PROXY"}},
        ]
    )
    entries = draw(st.lists(egress, max_size=3, unique_by=lambda entry: entry.get("port", {}).get("number", 0)))
    entries.sort(key=lambda entry: "port" not in entry)
    ingress: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {"port": {"number": 8080, "protocol": "HTTP"}},
            {"port": {"number": 70, "protocol": "TCP"}, "defaultEndpoint": "127.0.0.1:71"},
            {"port": {"number": 1000, "protocol": "GRPC"}, "captureMode": "NONE", "defaultEndpoint": "127.0.0.1:72"},
        ]
    )
    spec: dict[str, Any] = {
        "egress": [{**entry, "hosts": draw(st.lists(patterns, min_size=1, max_size=3))} for entry in entries],
        "ingress": draw(st.lists(ingress, max_size=2, unique_by=lambda entry: entry["port"]["number"])),
    }
    if draw(st.booleans()):
        spec["workloadSelector"] = {"labels": {"app": draw(names)}}
    if draw(st.booleans()):
        spec["outboundTrafficPolicy"] = draw(
            st.sampled_from(
                [{}, {"mode": "ALLOW_ANY", "egressProxy": {"host": "web.a.svc.cluster.local", "port": {"number": 80}}}]
            )
        )
    metadata = meta(draw(st.sampled_from([*NAMESPACES, "istio-system"])), draw(names))
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": spec}


@st.composite
def envoy_filters(draw: st.DrawFn) -> dict[str, Any]:
    lua = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"}
    script = {"inline_string": draw(st.sampled_from(["x = 1", "x = 2"]))}
    inserted = {"name": draw(names), "typed_config": {**lua, "default_source_code": script}}
    changes: st.SearchStrategy[tuple[str, str, dict[str, Any]]] = st.sampled_from(
        [
            ("HTTP_FILTER", "INSERT_FIRST", inserted),
            ("CLUSTER", "MERGE", {"connect_timeout": "3s"}),
            ("CLUSTER", "ADD", {"name": "extra", "connect_timeout": "3s"}),
            ("CLUSTER", "REMOVE", {}),
            ("LISTENER", "MERGE", {"tcp_backlog_size": 3}),
            ("VIRTUAL_HOST", "REMOVE", {}),
            ("HTTP_ROUTE", "MERGE", {"response_headers_to_remove": ["x"]}),
            ("ROUTE_CONFIGURATION", "MERGE", {"request_headers_to_remove": ["x"]}),
        ]
    )
    contexts = st.sampled_from(["ANY", "SIDECAR_INBOUND", "SIDECAR_OUTBOUND"])
    patches = [
        {"applyTo": to, "match": {"context": draw(contexts)}, "patch": {"operation": operation, "value": value}}
        for to, operation, value in draw(st.lists(changes, max_size=3))
    ]
    spec: dict[str, Any] = {"configPatches": patches, "priority": draw(st.integers(0, 1))}
    if draw(st.booleans()):
        spec["workloadSelector"] = {"labels": {"app": draw(names)}}
    metadata = meta(draw(st.sampled_from([*NAMESPACES, "istio-system"])), draw(names))
    return {"apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter", "metadata": metadata, "spec": spec}


demands = st.builds(
    lambda hosts, everything: {"kind": DEMAND, "hosts": hosts, "all": everything},
    st.sets(
        st.tuples(
            st.sampled_from([80, 81]),
            st.sampled_from(
                ["web", "web.a", "db.b.svc.cluster.local", "out.example.com", "10.96.0.1", "x.db.a", "none.example"]
            ),
        ),
        max_size=4,
    ),
    st.sampled_from([False, False, False, True]),
)
manifests = st.one_of(
    services(),
    slices(),
    pods(),
    destination_rules(),
    virtual_services(),
    service_entries(),
    workload_entries(),
    mesh_configs,
    policies,
    sidecars(),
    demands,
    gateways(),
    envoy_filters(),
)
upserts = st.lists(manifests, min_size=1, max_size=5)

# Mostly policies, and enough of services and pods to have something to say it about.
_about_identity = st.lists(
    st.one_of(policies, policies, pods(), slices(), services(), destination_rules(), mesh_configs),
    min_size=2,
    max_size=8,
)
secured = st.lists(st.one_of(_about_identity, _about_identity, st.integers(0, 30)), min_size=2, max_size=10)
histories = st.lists(st.one_of(upserts, st.integers(0, 30)), min_size=1, max_size=12)

_about_gateways = st.lists(
    st.one_of(gateway_objects, gateway_objects, gateway_objects, services(), slices(), virtual_services()),
    min_size=2,
    max_size=8,
)
gated = st.lists(st.one_of(_about_gateways, _about_gateways, st.integers(0, 30)), min_size=2, max_size=10)

# Services, their endpoints and pods in several clusters, and what says whether they are one.
_cluster_local = st.sampled_from([("*.a.svc.cluster.local", True), ("web.a.svc.cluster.local", False), ("*", True)])
_of_clusters = st.one_of(
    st.builds(
        lambda plain, cluster: {**plain, "cluster": cluster},
        st.one_of(services(), slices(), pods(), _nodes),
        st.sampled_from(["", "west", "north"]),
    ),
    destination_rules(),
    service_entries(),
    policies,
    st.builds(
        lambda host: {
            "apiVersion": "mesh.istio.io/v1alpha1",
            "kind": "MeshConfig",
            "metadata": meta("istio-system", "istio"),
            "spec": {"serviceSettings": [{"hosts": [host[0]], "settings": {"clusterLocal": host[1]}}]},
        },
        _cluster_local,
    ),
)
spread = st.lists(
    st.one_of(st.lists(_of_clusters, min_size=2, max_size=8), st.integers(0, 30)), min_size=2, max_size=10
)


class World:
    """The objects of a history as it goes on."""

    def __init__(self) -> None:
        self.builder = Builder()
        self._objects: dict[ObjectRef, Object[Any]] = {}

    def happen(self, event: Event) -> Change:
        """The change that an event makes."""
        if isinstance(event, int):
            gone = sorted(self._objects)[event % len(self._objects)] if self._objects else None
            if gone is None:
                return applied(self.builder, ())
            del self._objects[gone]
            return applied(self.builder, (), [gone])
        new = {each.ref: each for each in map(_object, event)}
        self._objects |= new
        return applied(self.builder, new.values())


def _object(plain: dict[str, Any]) -> Object[Any]:
    if plain["kind"] not in (KIND, DEMAND):
        cluster = plain.get("cluster", "")
        found = made({key: value for key, value in plain.items() if key != "cluster"})
        return replace(found, ref=replace(found.ref, cluster=cluster))
    if plain["kind"] == DEMAND:
        demand = Demand(asked_by(LAZY), tuple(sorted(Asked(*host) for host in plain["hosts"])), plain["all"])
        return Object(ObjectRef(DEMANDS, DEMAND, "a", "default/web"), demand, Origin(DEMAND))
    uri = plain["uri"]
    return Object(ObjectRef(GROUP, KIND, "", uri), KeySet(uri, plain["jwks"], plain["problem"]), Origin(uri))
