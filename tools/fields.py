"""Write ``docs/api.md``: every field of the mesh's kinds, and what becomes of it.

What features read is theirs to say (``Feature.reads``); what carriers' decoders read, and what is read but has no
effect, is in the tables below. A field in none of them fails the tool, and so does a table's entry without its field.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

from xds.kinds.authored import Authored
from xds.kinds.authorization_policy import AuthorizationPolicy
from xds.kinds.destination_rule import DestinationRule
from xds.kinds.envoy_filter import EnvoyFilter
from xds.kinds.gateway import Gateway
from xds.kinds.http_policies import Percent
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.peer_authentication import PeerAuthentication
from xds.kinds.rate_limit import RateLimit
from xds.kinds.request_authentication import RequestAuthentication
from xds.kinds.service_entry import ServiceEntry
from xds.kinds.sidecar import Sidecar
from xds.kinds.string_match import StringMatch
from xds.kinds.telemetry import Telemetry
from xds.kinds.virtual_service import VirtualService
from xds.kinds.workload_entry import WorkloadEntry
from xds.kinds.workload_group import WorkloadGroup
from xds.translators.registry import reads

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "api.md"
KINDS: Final[tuple[type[Authored], ...]] = (
    VirtualService,
    DestinationRule,
    ServiceEntry,
    WorkloadEntry,
    WorkloadGroup,
    Gateway,
    MeshConfig,
    PeerAuthentication,
    RequestAuthentication,
    AuthorizationPolicy,
    RateLimit,
    Sidecar,
    Telemetry,
    EnvoyFilter,
)
_HEAD: Final = """\
# Fields

Made by `python -m tools.fields` from the structs of `xds/kinds/` and the features of `xds/translators/`; do not edit.
*works*: Envoy does it. *checked only*: mistakes in it are reported, but it has no effect. *not read*: its shape is
checked at most, it has no effect, and a warning says so. `[]` is a list, `.*` a mapping by name. One row stands for all
fields below it where none of them has an effect, or where they are read as another field is. `metadata` and `status`
are left out. What works is tested so: without it, Envoy is sent something else.
"""
WORKS: Final = "works"
CHECKED: Final = "checked only"
NOT_READ: Final = "not read"

_DESTINATION: Final = "host subset port.number"
_TAG: Final = "literal.value environment.name environment.defaultValue header.name header.defaultValue formatter.value"
_ENDPOINT: Final = "address ports.* labels.* locality weight serviceAccount network"
# What the decoders of carriers read, by the message that holds it.
_CARRIERS: Final[Mapping[str, str]] = {
    "VirtualService.spec": "hosts[] gateways[] exportTo[]",
    "VirtualService.spec.http[]": "name route[].weight delegate.name delegate.namespace",
    "VirtualService.spec.http[].route[].destination": _DESTINATION,
    "VirtualService.spec.http[].match[]": (
        "name uri scheme method authority headers.* withoutHeaders.* queryParams.* ignoreUriCase port sourceLabels.* "
        "sourceNamespace gateways[] statPrefix"
    ),
    "VirtualService.spec.tls[]": "route[].weight",
    "VirtualService.spec.tls[].route[].destination": _DESTINATION,
    "VirtualService.spec.tls[].match[]": (
        "sniHosts[] destinationSubnets[] port sourceLabels.* sourceNamespace gateways[]"
    ),
    "VirtualService.spec.tcp[]": "route[].weight",
    "VirtualService.spec.tcp[].route[].destination": _DESTINATION,
    "VirtualService.spec.tcp[].match[]": "destinationSubnets[] port sourceLabels.* sourceNamespace gateways[]",
    "DestinationRule.spec": "host subsets[].name subsets[].labels.* exportTo[] workloadSelector.matchLabels.*",
    "DestinationRule.spec.trafficPolicy.portLevelSettings[]": "port.number",
    "ServiceEntry.spec": (
        "hosts[] addresses[] location resolution exportTo[] subjectAltNames[] workloadSelector.labels.*"
    ),
    "ServiceEntry.spec.ports[]": "number name protocol targetPort",
    "ServiceEntry.spec.endpoints[]": _ENDPOINT,
    "WorkloadEntry.spec": _ENDPOINT,
    "WorkloadGroup.spec.template": _ENDPOINT,
    "WorkloadGroup.spec.metadata": "labels.*",
    "MeshConfig": (
        "connectTimeout protocolDetectionTimeout dnsRefreshRate rootNamespace outboundTrafficPolicy.mode "
        "outboundTrafficPolicy.egressProxy.host outboundTrafficPolicy.egressProxy.subset "
        "outboundTrafficPolicy.egressProxy.port.number inboundTrafficPolicy.mode proxyHttpPort "
        "serviceSettings[].hosts[] serviceSettings[].settings.clusterLocal "
        "defaultServiceExportTo[] defaultVirtualServiceExportTo[] defaultDestinationRuleExportTo[] "
        "trustDomain trustDomainAliases[] enableAutoMtls caCertificates[].trustDomains[] "
        "pathNormalization.normalization accessLogFile accessLogFormat accessLogEncoding enableTracing "
        "defaultProviders.tracing[] defaultProviders.accessLogging[]"
    ),
    "MeshConfig.defaultConfig.gatewayTopology": "numTrustedProxies forwardClientCertDetails proxyProtocol",
    "MeshConfig.meshNetworks.networks.*.endpoints[]": "fromCidr fromRegistry",
    "MeshConfig.meshNetworks.networks.*.gateways[]": "address registryServiceName port locality",
    "MeshConfig.meshMTLS": "minProtocolVersion cipherSuites[] ecdhCurves[]",
    "MeshConfig.tlsDefaults": "minProtocolVersion cipherSuites[] ecdhCurves[]",
    "Gateway.spec": "selector.*",
    "Gateway.spec.servers[]": "port.number port.protocol port.name bind hosts[]",
    "Gateway.spec.servers[].tls": (
        "httpsRedirect mode serverCertificate privateKey caCertificates caCrl tlsCertificates[].serverCertificate "
        "tlsCertificates[].privateKey tlsCertificates[].caCertificates credentialName credentialNames[] "
        "caCertCredentialName subjectAltNames[] verifyCertificateSpki[] verifyCertificateHash[] minProtocolVersion "
        "maxProtocolVersion cipherSuites[] ecdhCurves[] insecureSkipVerify"
    ),
    "PeerAuthentication.spec": "selector.matchLabels.* mtls.mode portLevelMtls.*.mode",
    "RequestAuthentication.spec": "selector.matchLabels.*",
    "AuthorizationPolicy.spec": "selector.matchLabels.*",
    "Sidecar.spec": (
        "workloadSelector.labels.* outboundTrafficPolicy.mode outboundTrafficPolicy.egressProxy.host "
        "outboundTrafficPolicy.egressProxy.subset outboundTrafficPolicy.egressProxy.port.number"
    ),
    "Sidecar.spec.egress[]": "port.number port.protocol bind captureMode hosts[]",
    "Sidecar.spec.ingress[]": "port.number port.protocol bind captureMode defaultEndpoint",
    "Sidecar.spec.ingress[].tls": (
        "mode serverCertificate privateKey caCertificates caCrl subjectAltNames[] verifyCertificateSpki[] "
        "verifyCertificateHash[] minProtocolVersion maxProtocolVersion cipherSuites[] ecdhCurves[] "
        "insecureSkipVerify tlsCertificates[].serverCertificate tlsCertificates[].privateKey "
        "tlsCertificates[].caCertificates"
    ),
    "RateLimit.spec": "selector.matchLabels.*",
    "Telemetry.spec": "selector.matchLabels.*",
    "Telemetry.spec.tracing[]": (
        "match.mode providers[].name randomSamplingPercentage disableSpanReporting useRequestIdForTraceSampling "
        "enableIstioTags disableContextPropagation"
    ),
    "Telemetry.spec.tracing[].customTags.*": _TAG,
    "Telemetry.spec.metrics[]": (
        "providers[].name overrides[].match.metric overrides[].match.customMetric overrides[].match.mode "
        "overrides[].disabled overrides[].tagOverrides.*.operation overrides[].tagOverrides.*.value"
    ),
    "Telemetry.spec.accessLogging[]": "match.mode providers[].name disabled filter.expression",
    "MeshConfig.defaultConfig.tracing": "zipkin.address sampling maxPathTagLength enableIstioTags",
    "MeshConfig.defaultConfig.tracing.customTags.*": _TAG,
    "MeshConfig.extensionProviders[].zipkin": "service port maxTagLength enable64bitTraceId path traceContextOption",
    "MeshConfig.extensionProviders[].opentelemetry": (
        "service port maxTagLength http.path http.timeout http.headers[].name http.headers[].value grpc.timeout "
        "grpc.initialMetadata[].name grpc.initialMetadata[].value"
    ),
    "MeshConfig.extensionProviders[].envoyFileAccessLog": "path logFormat.text logFormat.labels omitEmptyValues",
    "MeshConfig.extensionProviders[].envoyHttpAls": (
        "service port logName filterStateObjectsToLog[] additionalRequestHeadersToLog[] "
        "additionalResponseHeadersToLog[] additionalResponseTrailersToLog[]"
    ),
    "MeshConfig.extensionProviders[].envoyTcpAls": "service port logName filterStateObjectsToLog[]",
    "MeshConfig.extensionProviders[].envoyOtelAls": "service port logName logFormat.text logFormat.labels.*",
    "EnvoyFilter.spec": "workloadSelector.labels.* priority",
    "EnvoyFilter.spec.configPatches[]": "applyTo match.context patch.operation patch.value.*",
    "EnvoyFilter.spec.configPatches[].match.proxy": "proxyVersion metadata.*",
    "EnvoyFilter.spec.configPatches[].match.listener": (
        "portNumber name listenerFilter filterChain.name filterChain.sni filterChain.transportProtocol "
        "filterChain.applicationProtocols filterChain.destinationPort filterChain.filter.name "
        "filterChain.filter.subFilter.name"
    ),
    "EnvoyFilter.spec.configPatches[].match.routeConfiguration": (
        "portNumber portName gateway name vhost.name vhost.domainName vhost.route.name vhost.route.action"
    ),
    "EnvoyFilter.spec.configPatches[].match.cluster": "portNumber service subset name",
}
_TARGETS: Final = "a Gateway's routers have the policy; of other kinds a warning says that it has no effect"
_CHECKED: Final[Mapping[str, str]] = {
    "WorkloadGroup.spec.template.address": "refused: each machine has one of its own",
    "WorkloadGroup.spec.metadata.annotations.*": "written on the WorkloadEntries; nothing reads them",
    "WorkloadGroup.spec.probe": (
        "carried out by the machine's proxy, beside its configuration; not `exec`, of which a warning is given, "
        "nor `initialDelaySeconds`"
    ),
    "VirtualService.spec.tcp[].match[].sourceSubnet": "has no effect, as in Istio; a warning says so",
    "VirtualService.spec.http[].redirect.derivePort": (
        "Envoy keeps the request's port where there is no `authority`, else the scheme's own"
    ),
    "DestinationRule.spec.trafficPolicy.loadBalancer.backendUtilization": "refused, as Istio does nothing for it",
    "VirtualService.spec.http[].fault.delay.exponentialDelay": "refused, as Envoy has no such thing",
    "VirtualService.spec.http[].fault.abort.http2Error": "refused, as Envoy has no such thing",
    **{
        f"Sidecar.spec.{place}[].port.{name}": why
        for place in ("egress", "ingress")
        for name, why in (("name", "has no effect in Istio, either"), ("targetPort", "deprecated"))
    },
    **{
        f"Sidecar.spec.ingress[].tls.{name}": "refused: it is for gateways"
        for name in ("httpsRedirect", "credentialName", "credentialNames[]", "caCertCredentialName")
    },
    "MeshConfig.caCertificates[].pem": "what workloads are to believe goes out as a secret, by no decision of the view",
    "AuthorizationPolicy.spec.targetRef": _TARGETS,
    "AuthorizationPolicy.spec.targetRefs[]": _TARGETS,
    "RateLimit.spec.targetRefs[]": _TARGETS,
    "Telemetry.spec.targetRef": _TARGETS,
    "Telemetry.spec.targetRefs[]": _TARGETS,
    "MeshConfig.extensionProviders[].opentelemetry.resourceDetectors.environment": "it is read anyhow",
    "MeshConfig.extensionProviders[].prometheus": "Prometheus asks proxies by itself",
    "RequestAuthentication.spec.targetRef": _TARGETS,
    "RequestAuthentication.spec.targetRefs[]": _TARGETS,
    "RequestAuthentication.spec.jwtRules[].timeout": "keys are fetched apart from requests, and waited for 5s",
    "RequestAuthentication.spec.jwtRules[].presence": (
        "a warning says so; an AuthorizationPolicy with requestPrincipals requires a token"
    ),
    "Gateway.spec.servers[].name": "has no effect in Istio, either: servers go by the names of their ports",
    "EnvoyFilter.spec.targetRefs[]": "a `Gateway` is taken, on its own pods; a warning says so of others",
    "EnvoyFilter.spec.configPatches[].match.listener.portName": "has no effect in Istio, either",
    "EnvoyFilter.spec.configPatches[].patch.filterClass": "has no effect in Istio, either",
}
_NOT_READ: Final[Mapping[str, str]] = {
    "Gateway.spec.servers[]": "port.targetPort defaultEndpoint",
    "MeshConfig.extensionProviders[]": "lightstep datadog stackdriver opencensus skywalking sds",
    "MeshConfig.extensionProviders[].zipkin": "timeout headers[]",
    "MeshConfig.extensionProviders[].opentelemetry": (
        "http.headers[].envName grpc.initialMetadata[].envName resourceDetectors.dynatrace dynatraceSampler"
    ),
    "MeshConfig.defaultConfig.tracing": "lightstep datadog stackdriver openCensusAgent tlsSettings",
    "DestinationRule.spec.trafficPolicy.outlierDetection": "consecutiveErrors",
    "Telemetry.spec.metrics[]": "reportingInterval",
    "MeshConfig.caCertificates[]": "spiffeBundleUrl certSigners[]",
    "MeshConfig.defaultConfig": (
        "configPath binaryPath serviceCluster tracingServiceName drainDuration parentShutdownDuration "
        "discoveryAddress discoveryRefreshDelay zipkinAddress statsdUdpAddress proxyAdminPort "
        "controlPlaneAuthPolicy customConfigFile statNameLength concurrency proxyBootstrapTemplatePath "
        "interceptionMode sds envoyAccessLogService envoyMetricsService proxyMetadata.* runtimeValues.* "
        "statusPort extraStatTags[] terminationDrainDuration meshId readinessProbe proxyStatsMatcher "
        "holdApplicationUntilProxyStarts caCertificatesPem[] image privateKeyProvider proxyHeaders "
        "fileFlushInterval fileFlushMinSizeKb statsCompression statsEvictionInterval availabilityZone "
        "connectionSettings"
    ),
    "MeshConfig": (
        "proxyListenPort proxyInboundListenPort ingressClass ingressService ingressControllerMode "
        "ingressSelector enableEnvoyAccessLogService "
        "disableEnvoyListenerLog configSources "
        "inboundClusterStatName outboundClusterStatName certificates thriftConfig "
        "enablePrometheusMerge verifyCertificateAtClient ca defaultProviders.metrics[] "
        "discoverySelectors[]"
    ),
}
# Of fields that work, the values that do not.
_NOTES: Final[Mapping[str, str]] = {
    "VirtualService.spec.http[].match[].headers.*": "not `@request.auth.claims`, of which a warning is given",
    "VirtualService.spec.http[].match[].withoutHeaders.*": "not `@request.auth.claims`, of which a warning is given",
    "DestinationRule.spec.trafficPolicy.tls.credentialName": "on sidecars, in rules with a `workloadSelector` only",
    "ServiceEntry.spec.ports[].targetPort": "not with `DYNAMIC_DNS` and HTTP, of which a warning is given",
    "VirtualService.spec.tls[].match[].sniHosts[]": "refused where it is within none of the rule's hosts",
    "Sidecar.spec.ingress[].bind": "with captureMode `NONE`",
    "Gateway.spec.servers[].tls.credentialName": "a Secret in the router's namespace, for a proven router alone",
    "EnvoyFilter.spec.configPatches[].applyTo": "not `BOOTSTRAP`, of which a warning is given",
    **dict.fromkeys(
        (f"EnvoyFilter.spec.configPatches[].match.routeConfiguration.{name}" for name in ("gateway", "portName")),
        "of HTTPS servers only, as a warning says",
    ),
    "EnvoyFilter.spec.configPatches[].match.context": "not `WAYPOINT`, of which a warning is given",
    "EnvoyFilter.spec.configPatches[].match.proxy.proxyVersion": "Envoy's version, not Istio's",
    "EnvoyFilter.spec.configPatches[].match.proxy.metadata.*": "`NAMESPACE`, `NAME` and `SERVICE_ACCOUNT`",
}
# Messages that stand in several places and fare alike there: one place has the rows.
_SAME: Final[Mapping[str, str]] = {
    "DestinationRule.spec.subsets[].trafficPolicy": "DestinationRule.spec.trafficPolicy",
    **{
        f"DestinationRule.spec.trafficPolicy.portLevelSettings[].{name}": f"DestinationRule.spec.trafficPolicy.{name}"
        for name in ("loadBalancer", "connectionPool", "outlierDetection", "tls")
    },
    "Sidecar.spec.inboundConnectionPool": "DestinationRule.spec.trafficPolicy.connectionPool",
    "Sidecar.spec.ingress[].connectionPool": "DestinationRule.spec.trafficPolicy.connectionPool",
    "MeshConfig.defaultTrafficPolicy.connectionPool": "DestinationRule.spec.trafficPolicy.connectionPool",
    "MeshConfig.localityLbSetting": "DestinationRule.spec.trafficPolicy.loadBalancer.localityLbSetting",
    "MeshConfig.defaultTrafficPolicy.outlierDetection": "DestinationRule.spec.trafficPolicy.outlierDetection",
    "MeshConfig.defaultHttpRetryPolicy": "VirtualService.spec.http[].retries",
    "MeshConfig.defaultInboundHttpRetryPolicy": "VirtualService.spec.http[].retries",
}
# Structs that are one value to whoever writes them.
_VALUES: Final = (StringMatch, Percent)


class Unclassified(Exception):
    """A field that is in no table, or a table's entry that is no field."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field: as users know it (``VirtualService.spec.http[].name``), what it is, what becomes of it, and why."""

    path: str
    about: str
    status: str
    note: str = ""


def document() -> str:
    """The whole page. Errors: Unclassified."""
    return _HEAD + "".join(_section(kind) for kind in KINDS)


def _section(kind: type[Authored]) -> str:
    name = kind.KIND.name
    lines = (f"| `{_short(row.path)}` | {row.about} | {_fate(row)} |\n" for row in rows(kind))
    return f"\n## {name}\n\n| field | what it is | what becomes of it |\n|---|---|---|\n{''.join(lines)}"


def _short(path: str) -> str:
    return path.partition(".")[2].removeprefix("spec.")


def _fate(row: Row) -> str:
    return f"{row.status} ({row.note})" if row.note else row.status


def rows(kind: type[Authored]) -> tuple[Row, ...]:
    """The rows of a kind, in the order of its struct. Errors: Unclassified."""
    name = kind.KIND.name
    spec = next(field for field in msgspec.structs.fields(kind) if field.name == "spec")
    struct, _ = _struct(spec.type)
    assert struct is not None
    table = _table()
    found = list(_rows(struct, name if kind is MeshConfig else f"{name}.spec", table))
    tabled = {path for path in (*table, *_SAME, *_NOTES) if path.startswith(f"{name}.")} - set(reads())
    if gone := sorted(tabled - {row.path for row in found}):
        raise Unclassified(f"{gone[0]} is in a table of tools/fields.py, but no such field is there")
    return tuple(found)


def _table() -> dict[str, tuple[str, str]]:
    """Status and note by path; what is said here goes before what features say."""
    found = dict.fromkeys(reads(), (WORKS, ""))
    for status, group in ((WORKS, _CARRIERS), (NOT_READ, _NOT_READ)):
        for holder, names in group.items():
            found.update({f"{holder}.{name}": (status, "") for name in names.split()})
    found.update({path: (CHECKED, note) for path, note in _CHECKED.items()})
    return found


def _rows(struct: type[msgspec.Struct], prefix: str, table: Mapping[str, tuple[str, str]]) -> Iterator[Row]:
    for field in msgspec.structs.fields(struct):
        inner, suffix = _struct(field.type)
        path = f"{prefix}.{field.encode_name}{suffix}"
        about = _about(field.type)
        same = _SAME.get(path)
        if same is not None:
            yield Row(path, about, WORKS, f"as `{same}`")
        elif inner is None or inner in _VALUES:
            shape = f" {_parts(inner)}" if inner is not None else ""
            status, note = _status(path, table)
            yield Row(path, about + shape, status, note or _NOTES.get(path, ""))
        elif path in table and table[path][0] != WORKS:
            yield Row(path, about, *table[path])
        else:
            yield from _rows(inner, path, table)


def _status(path: str, table: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """What the entry of the field, or of what is nearest above it, says."""
    entry = path
    while entry:
        bare = entry.removesuffix(".*").removesuffix("[]")
        for each in (entry, bare):
            if each in table:
                return table[each]
        entry = entry.rpartition(".")[0]
    raise Unclassified(f"{path} is read by no feature and is in no table of tools/fields.py: what becomes of it?")


def _struct(annotation: Any) -> tuple[type[msgspec.Struct] | None, str]:
    """The struct in a field's type, if any; and ``[]`` or ``.*`` where there are many values."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _struct(args[0])
    if origin in (Union, UnionType):
        known = [each for each in args if each is not type(None)]
        return _struct(known[0]) if len(known) == 1 else (None, "")
    if origin is tuple:
        return _struct(args[0])[0], "[]"
    if origin is dict:
        return _struct(args[1])[0], ".*"
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation, ""
    return None, ""


def _about(annotation: Any) -> str:
    metas = [each for each in get_args(annotation)[1:] if isinstance(each, msgspec.Meta) and each.description]
    return str(metas[0].description).replace("|", "\\|") if metas else ""


def _parts(struct: type[msgspec.Struct]) -> str:
    names = [f"`{field.encode_name}`" for field in msgspec.structs.fields(struct)]
    return f"(Has {', '.join(names)}.)"


def main() -> int:
    """Write the page; the exit status."""
    FILE.write_text(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
