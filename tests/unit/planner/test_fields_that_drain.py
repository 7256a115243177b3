"""Which fields change listeners, so that an edit cuts connections: these, and no others (docs/limits.md)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import pytest

from tests.unit.tools.test_fields_work import WORKING, Case, _removed, _replaced, cases, places, sent
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.planner.effect import effect
from xds.wire.resource import Resource
from xds.wire.type_urls import LISTENER

Listeners = dict[tuple[str, str], Resource]

# Where connections are taken, by whom, and what is spoken there; names of chains are of these.
PORTS: Final = (
    *(f"ServiceEntry.spec.{name}" for name in ("hosts", "addresses", "exportTo", "ports*", "workloadSelector*")),
    *(f"VirtualService.spec.{name}" for name in ("hosts", "tls*.match*", "tcp*.match*")),
    *(f"Gateway.spec.{name}" for name in ("selector*", "servers*.port*", "servers*.bind")),
    *(f"Sidecar.spec.{name}" for name in ("workloadSelector*", "egress*", "ingress*.port*", "ingress*.bind")),
    "Sidecar.spec.ingress*.captureMode",
    "MeshConfig.default*ExportTo",
    "MeshConfig.proxyHttpPort",
)
# How TLS is spoken and whom it believes, and for which names. Which Secret that takes changes no listener, but one that
# is not there takes the server away (test_gateway_edits.py tells what an edit costs, chain by chain).
TLS: Final = (
    "Gateway.spec.servers*.hosts",
    *(f"Gateway.spec.servers*.tls.{name}" for name in ("mode", "m*ProtocolVersion", "cipherSuites*", "ecdhCurves*")),
    *(f"Gateway.spec.servers*.tls.{name}" for name in ("subjectAltNames*", "verify*", "insecureSkipVerify")),
    *(f"Gateway.spec.servers*.tls.{name}" for name in ("*credentialName*", "caCertCredentialName")),
    *(f"Gateway.spec.servers*.tls.{name}" for name in ("*erverCertificate", "*rivateKey", "*aCertificates", "caCrl")),
    "Sidecar.spec.ingress*.tls*",
    "PeerAuthentication.*",
)
# What the mesh says of all listeners.
MESH: Final = tuple(
    f"MeshConfig.{name}"
    for name in (
        *("protocolDetectionTimeout", "trustDomain", "trustDomainAliases", "caCertificates*", "meshMTLS*"),
        *("pathNormalization*", "defaultConfig.gatewayTopology*"),
    )
)
PATCHES: Final = tuple(f"EnvoyFilter.spec.configPatches.{name}" for name in ("applyTo", "patch*", "match.listener*"))
# What of the traffic is counted, and with which labels: loggers are a part of the listener.
COUNTED: Final = ("Telemetry.spec.metrics*",)
# Where entries of logs and spans go, and what they have; how many is switched apart from listeners.
TOLD: Final = (
    "Telemetry.spec.selector*",
    *(f"Telemetry.spec.tracing.{name}" for name in ("match*", "providers*", "customTags*", "useRequestId*")),
    *(f"Telemetry.spec.tracing.{name}" for name in ("enableIstioTags", "disableContextPropagation")),
    *(f"Telemetry.spec.accessLogging.{name}" for name in ("providers*", "filter*")),
    *(f"MeshConfig.{name}" for name in ("accessLog*", "enableTracing", "defaultProviders*", "extensionProviders.name")),
    *(f"MeshConfig.extensionProviders.{name}*" for name in ("zipkin", "opentelemetry", "envoyFile", "envoyOtel")),
    *(f"MeshConfig.extensionProviders.{name}*" for name in ("envoyHttpAls", "envoyTcpAls")),
    *(f"MeshConfig.defaultConfig.tracing.{name}" for name in ("zipkin*", "customTags*", "max*", "enableIstioTags")),
)
DRAINING: Final = (*PORTS, *TLS, *MESH, *PATCHES, *COUNTED, *TOLD)


def drains(path: str) -> bool:
    plain = path.replace("[]", "")  # brackets are fnmatch's
    return any(fnmatchcase(plain, each) for each in DRAINING)


def listeners(everything: frozenset[tuple[str, str, str, bytes]]) -> Listeners:
    return {
        (proxy, name): Resource.of(Listener.FromString(body))
        for proxy, url, name, body in everything
        if url == LISTENER
    }


def edited(path: str, case: Case) -> Iterator[Listeners]:
    """The listeners of all proxies without the field, and with another value of it, wherever it stands."""
    kind, _, field = path.partition(".")
    steps = field.removeprefix("spec.").split(".")
    for index, plain in enumerate(case.given):
        count = len(list(places(plain.get("spec"), steps))) if plain["kind"] == kind else 0
        for number in range(count):
            for change in (_removed, _replaced):
                given = copy.deepcopy(case.given)
                holder, key = list(places(given[index]["spec"], steps))[number]
                change(holder, key, ".".join(steps))
                try:
                    yield listeners(sent(given))
                except AssertionError:
                    continue  # it must be there


@pytest.mark.parametrize("path", [path for path in WORKING if not drains(path)])
def test_an_edit_cuts_nothing(path: str) -> None:
    for case in cases():
        before = listeners(case.sent)
        for after in edited(path, case):
            for old, new in ((before, after), (after, before)):
                found = [effect(each, new.get(key)) for key, each in old.items()]
                assert not [each.said() for each in found if each.way.drains], case.about
