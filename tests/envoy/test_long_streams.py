"""Websockets, gRPC streams and TCP connections stay open through an edit of every field that may be edited.

``STREAMS=100`` opens as many of each kind.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.envoy.manifests import Manifest, documents, mesh_config, namespace, pod, service
from xds.local.settings import LocalSettings
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]

HOLDER: Final = str(Path(__file__).with_name("stream_holder.py"))
EVERY_FIELD: Final = Path(__file__).parents[1] / "unit" / "tools" / "every_field"
COUNT: Final = int(os.environ.get("STREAMS", "10"))  # of each kind, to each of the hosts
KINDS: Final = ("websocket", "grpc", "tcp")
HOSTS: Final = ("catalog", "web")  # whom the cases are about, as who is called and as workloads
PORTS: Final = {"http": (80, 8080), "http-old": (81, 8080), "grpc": (7070, 7070), "tcp": (9000, 9000)}
VERSIONS: Final = {
    "EnvoyFilter": "networking.istio.io/v1alpha3",
    "RateLimit": "networking.plait.dev/v1alpha1",
    "Secret": "v1",
    **dict.fromkeys(("AuthorizationPolicy", "RequestAuthentication"), "security.istio.io/v1"),
}
# The pods and services of the cases are not ours. A PeerAuthentication is who may connect, and cuts those who may not.
# What a Telemetry switches drains nothing, either (test_access_logs.py, test_tracing.py); the rest is of listeners.
APART: Final = frozenset({"EndpointSlice", "PeerAuthentication", "Pod", "Service", "Telemetry"})
# What listeners are made of, and can be changed with them only: docs/envoy-filters.md, What drains.
OF_LISTENERS: Final = frozenset({"FILTER_CHAIN", "HTTP_FILTER", "LISTENER", "LISTENER_FILTER", "NETWORK_FILTER"})
OF_ROUTES: Final = frozenset({"HTTP_ROUTE", "ROUTE_CONFIGURATION", "VIRTUAL_HOST"})
OF_OTHERS: Final = frozenset({"destinationPort", "sni"})  # chains on which no stream is
OF_THE_MESH: Final = frozenset(  # how all listeners find out protocols, prove identities, read paths, retry
    {
        *("protocolDetectionTimeout", "trustDomain", "trustDomainAliases", "caCertificates", "meshMTLS"),
        *("pathNormalization", "defaultInboundHttpRetryPolicy"),
        *("accessLogFile", "accessLogFormat", "accessLogEncoding", "enableTracing"),  # and where it tells of requests
        *("defaultProviders", "defaultConfig"),
    }
)
EXTENSIONS: Final = "type.googleapis.com/envoy.extensions"
SCRIPT: Final = 'function envoy_on_request(handle) handle:headers():replace("x-script", "%s") end'
LIMIT: Final = timedelta(seconds=100)
ASK: Final = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/round', timeout=90).read().decode())"


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    ports = [{"name": name, "port": port, "targetPort": target} for name, (port, target) in PORTS.items()]
    echo = "http:8080 grpc:7070 tcp:9000"
    return documents(
        namespace("shop"),
        namespace("istio-system", inject=False),
        pod("client", command=[sys.executable, HOLDER, str(COUNT), *HOSTS]),
        *(pod(f"{host}-{version}", ports=echo) for host in HOSTS for version in ("v1", "v2")),
        *(service(host, *ports) for host in HOSTS),
        service("reviews", *ports, selector={"app": "catalog"}),
    )


@pytest.fixture(scope="module")
def mesh_settings() -> LocalSettings:
    """What drains is cut soon."""
    return LocalSettings(envoy_flags=("--drain-time-s", "1", "--drain-strategy", "immediate"))


def edits() -> list[Any]:
    """The cases of every_field/: together they have every field of every kind."""
    found = []
    for path in sorted(EVERY_FIELD.glob("*.yaml")):
        cases = [] if path.stem == "world" else list(yaml.safe_load_all(path.read_text()))
        for index, case in enumerate(cases):
            given = [complete(plain) for plain in case["given"] if plain["kind"] not in APART]
            if given:
                found.append(pytest.param(given, id=f"{path.stem}-{index}"))
    return found


def complete(plain: Manifest) -> Manifest:
    """The object of a case as the API server takes it, without what is a listener's own."""
    spec = plain.get("spec", {})
    match plain["kind"]:
        case "MeshConfig":
            return mesh_config(**{name: value for name, value in spec.items() if name not in OF_THE_MESH})
        case "EnvoyFilter":
            spec = {**spec, "configPatches": list(calm(spec["configPatches"]))}
        case "Sidecar":  # ports are listeners
            hosts = [{"hosts": each["hosts"]} for each in spec.get("egress", ())] or [{"hosts": ["*/*"]}]
            spec = {**{name: value for name, value in spec.items() if name != "ingress"}, "egress": hosts}
        case "ServiceEntry" if "workloadSelector" in spec:  # else it is a new port of theirs
            spec = {**spec, "ports": [{**each, "targetPort": 8080} for each in spec["ports"]]}
    api = VERSIONS.get(plain["kind"], "networking.istio.io/v1")
    return {"apiVersion": api, **plain, **({"spec": spec} if spec else {})}


def calm(patches: list[Manifest]) -> Iterator[Manifest]:
    """The patches that change no listener; routes of servers are in theirs."""
    for patch in patches:
        if patch["applyTo"] in OF_ROUTES:
            yield {**patch, "match": {"context": "SIDECAR_OUTBOUND", **patch.get("match", {})}}
        elif patch["applyTo"] not in OF_LISTENERS or chosen(patch).keys() & OF_OTHERS:
            yield patch


def chosen(patch: Manifest) -> Manifest:
    """How a patch chooses its filter chains."""
    return dict(patch.get("match", {}).get("listener", {}).get("filterChain", {}))


def script(text: str) -> Manifest:
    """An EnvoyFilter that puts a filter of its own before the last one of all HTTP chains."""
    lua = {"@type": f"{EXTENSIONS}.filters.http.lua.v3.Lua", "default_source_code": {"inline_string": text}}
    patch = {"operation": "INSERT_BEFORE", "value": {"name": "script", "typed_config": lua}}
    within = {
        "name": "envoy.filters.network.http_connection_manager",
        "subFilter": {"name": "envoy.filters.http.router"},
    }
    match = {"listener": {"filterChain": {"filter": within}}}
    return {
        "apiVersion": VERSIONS["EnvoyFilter"],
        "kind": "EnvoyFilter",
        "metadata": {"name": "script", "namespace": "shop"},
        "spec": {"configPatches": [{"applyTo": "HTTP_FILTER", "match": match, "patch": patch}]},
    }


async def alive(mesh: Mesh) -> dict[str, int]:
    """How many streams of a kind are open, when nothing drains any more."""
    told = await heard(mesh)
    assert told["problems"] == []
    return dict(told["alive"])


async def heard(mesh: Mesh) -> dict[str, Any]:
    """What the client tells of its streams, when nothing drains any more; what was cut it opens again."""
    await mesh.until(lambda: nothing_drains(mesh), "what drains is cut")
    done = await mesh.local.exec(mesh.pod("client"), [sys.executable, "-c", ASK], limit=LIMIT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


async def of_all(mesh: Mesh, wanted: str) -> dict[str, int]:
    """These statistics of both sides."""
    pods = ("client", *(f"{host}-{version}" for host in HOSTS for version in ("v1", "v2")))
    return {f"{pod} {name}": n for pod in pods for name, n in (await mesh.stats(pod, wanted)).items()}


async def nothing_drains(mesh: Mesh) -> bool:
    return not any((await of_all(mesh, "total_(filter_chains|listeners)_draining")).values())


async def replaced(mesh: Mesh) -> int:
    """How often listeners were changed as a whole since the proxies began."""
    modified, in_place = [
        await of_all(mesh, rf"listener_manager\.listener_{how}$") for how in ("modified", "in_place_updated")
    ]
    return sum(modified.values()) - sum(in_place.values())


@pytest.mark.parametrize("given", edits())
async def test_streams_stay_open(mesh: Mesh, given: list[Manifest]) -> None:
    everything = dict.fromkeys(KINDS, COUNT * len(HOSTS))
    assert await alive(mesh) == everything
    before = await replaced(mesh)
    await mesh.apply(documents(*given))
    assert await alive(mesh) == everything
    assert await replaced(mesh) == before
    await mesh.delete()
    assert await alive(mesh) == everything
    # Cases name files that are not there.
    assert all("Invalid path" in each.reason for each in mesh.take_rejections())


async def test_streams_stay_open_while_a_filter_of_an_envoy_filter_is_edited(mesh: Mesh) -> None:
    everything = dict.fromkeys(KINDS, COUNT * len(HOSTS))
    await mesh.apply(documents(script(SCRIPT % "one")))
    assert (await heard(mesh))["alive"] == {"tcp": everything["tcp"]}  # chains of HTTP have another filter
    assert await alive(mesh) == everything
    await mesh.apply(documents(script(SCRIPT % "two")))
    assert (await mesh.get("client", "http://catalog/")).seen["x-script"] == "two"
    assert await alive(mesh) == everything
    await mesh.delete()
    await heard(mesh)
    assert await alive(mesh) == everything
