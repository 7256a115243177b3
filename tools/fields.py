"""Write ``docs/fields.md``: every field of the mesh's kinds, and what becomes of it.

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
from xds.kinds.http_policies import Percent
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.peer_authentication import PeerAuthentication
from xds.kinds.rate_limit import RateLimit
from xds.kinds.request_authentication import RequestAuthentication
from xds.kinds.service_entry import ServiceEntry
from xds.kinds.string_match import StringMatch
from xds.kinds.virtual_service import VirtualService
from xds.translators.registry import reads

FILE: Final = Path(__file__).resolve().parents[1] / "docs" / "fields.md"
KINDS: Final[tuple[type[Authored], ...]] = (
    VirtualService,
    DestinationRule,
    ServiceEntry,
    MeshConfig,
    PeerAuthentication,
    RequestAuthentication,
    AuthorizationPolicy,
    RateLimit,
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
# What the decoders of carriers read, by the message that holds it.
_CARRIERS: Final[Mapping[str, str]] = {
    "VirtualService.spec": "hosts[] gateways[] exportTo[]",
    "VirtualService.spec.http[]": "name route[].weight delegate.name delegate.namespace",
    "VirtualService.spec.http[].route[].destination": _DESTINATION,
    "VirtualService.spec.http[].match[]": (
        "name uri scheme method authority headers.* withoutHeaders.* queryParams.* ignoreUriCase port sourceLabels.* "
        "sourceNamespace gateways[] statPrefix"
    ),
    "DestinationRule.spec": "host subsets[].name subsets[].labels.* exportTo[] workloadSelector.matchLabels.*",
    "DestinationRule.spec.trafficPolicy.portLevelSettings[]": "port.number",
    "ServiceEntry.spec": "hosts[] addresses[] location resolution exportTo[] subjectAltNames[]",
    "ServiceEntry.spec.ports[]": "number name protocol targetPort",
    "ServiceEntry.spec.endpoints[]": "address ports.* labels.* locality weight serviceAccount",
    "MeshConfig": (
        "connectTimeout protocolDetectionTimeout dnsRefreshRate rootNamespace outboundTrafficPolicy.mode "
        "defaultServiceExportTo[] defaultVirtualServiceExportTo[] defaultDestinationRuleExportTo[] "
        "trustDomain trustDomainAliases[] enableAutoMtls caCertificates[].trustDomains[] "
        "pathNormalization.normalization"
    ),
    "MeshConfig.meshMTLS": "minProtocolVersion cipherSuites[] ecdhCurves[]",
    "MeshConfig.tlsDefaults": "minProtocolVersion cipherSuites[] ecdhCurves[]",
    "PeerAuthentication.spec": "selector.matchLabels.* mtls.mode portLevelMtls.*.mode",
    "RequestAuthentication.spec": "selector.matchLabels.*",
    "AuthorizationPolicy.spec": "selector.matchLabels.*",
    "RateLimit.spec": "selector.matchLabels.*",
}
_TARGETS: Final = "such a policy is for gateways and waypoints, not for sidecars"
_CHECKED: Final[Mapping[str, str]] = {
    "VirtualService.spec.tls[]": "a warning says so",
    "VirtualService.spec.tcp[]": "a warning says so",
    "VirtualService.spec.http[].redirect.derivePort": (
        "Envoy keeps the request's port where there is no `authority`, else the scheme's own"
    ),
    "VirtualService.spec.http[].fault.delay.exponentialDelay": "refused, as Envoy has no such thing",
    "VirtualService.spec.http[].fault.abort.http2Error": "refused, as Envoy has no such thing",
    "DestinationRule.spec.trafficPolicy.loadBalancer.localityLbSetting": "localities are used alike (issue 6)",
    "DestinationRule.spec.trafficPolicy.loadBalancer.zoneAwareLbSetting": "a warning says so (issue 6)",
    "ServiceEntry.spec.workloadSelector": (
        "its pods become no endpoints, a warning says so; they do take connections to its ports"
    ),
    "MeshConfig.localityLbSetting": "localities are used alike (issue 6)",
    "MeshConfig.caCertificates[].pem": "what workloads are to believe goes out as a secret, by no decision of the view",
    "AuthorizationPolicy.spec.targetRef": _TARGETS,
    "AuthorizationPolicy.spec.targetRefs[]": _TARGETS,
    "RateLimit.spec.targetRefs[]": _TARGETS,
    "RequestAuthentication.spec.targetRef": _TARGETS,
    "RequestAuthentication.spec.targetRefs[]": _TARGETS,
    "RequestAuthentication.spec.jwtRules[].timeout": "keys are fetched apart from requests, and waited for 5s",
    "RequestAuthentication.spec.jwtRules[].presence": (
        "a warning says so; an AuthorizationPolicy with requestPrincipals requires a token"
    ),
}
_NOT_READ: Final[Mapping[str, str]] = {
    "MeshConfig.extensionProviders[]": (
        "zipkin lightstep datadog stackdriver opencensus skywalking opentelemetry prometheus envoyFileAccessLog "
        "envoyHttpAls envoyTcpAls envoyOtelAls sds"
    ),
    "DestinationRule.spec.trafficPolicy.loadBalancer": "backendUtilization",
    "DestinationRule.spec.trafficPolicy.outlierDetection": "consecutiveErrors",
    "ServiceEntry.spec.endpoints[]": "network",
    "MeshConfig.outboundTrafficPolicy": "egressProxy",
    "MeshConfig.caCertificates[]": "spiffeBundleUrl certSigners[]",
    "MeshConfig": (
        "proxyListenPort proxyInboundListenPort proxyHttpPort ingressClass ingressService ingressControllerMode "
        "ingressSelector enableTracing accessLogFile accessLogFormat accessLogEncoding enableEnvoyAccessLogService "
        "disableEnvoyListenerLog defaultConfig inboundTrafficPolicy configSources "
        "inboundClusterStatName outboundClusterStatName certificates thriftConfig serviceSettings[] "
        "enablePrometheusMerge verifyCertificateAtClient ca defaultProviders "
        "discoverySelectors[]"
    ),
}
# Of fields that work, the values that do not.
_NOTES: Final[Mapping[str, str]] = {
    "VirtualService.spec.gateways[]": "`mesh` only: there are no gateways yet",
    "VirtualService.spec.http[].match[].gateways[]": "`mesh` only: there are no gateways yet",
    "VirtualService.spec.http[].match[].headers.*": "not `@request.auth.claims`, of which a warning is given",
    "VirtualService.spec.http[].match[].withoutHeaders.*": "not `@request.auth.claims`, of which a warning is given",
    "DestinationRule.spec.trafficPolicy.tls.credentialName": "on sidecars, in rules with a `workloadSelector` only",
    "ServiceEntry.spec.resolution": "`DYNAMIC_DNS` is checked only, with a warning",
    "ServiceEntry.spec.endpoints[].address": "unix sockets are checked only, with a warning",
    "MeshConfig.outboundTrafficPolicy.mode": "`ALLOW_ANY_DYNAMIC_DNS` is taken as `ALLOW_ANY`, with a warning",
}
# Messages that stand in several places and fare alike there: one place has the rows.
_SAME: Final[Mapping[str, str]] = {
    "DestinationRule.spec.subsets[].trafficPolicy": "DestinationRule.spec.trafficPolicy",
    **{
        f"DestinationRule.spec.trafficPolicy.portLevelSettings[].{name}": f"DestinationRule.spec.trafficPolicy.{name}"
        for name in ("loadBalancer", "connectionPool", "outlierDetection", "tls")
    },
    "MeshConfig.defaultTrafficPolicy.connectionPool": "DestinationRule.spec.trafficPolicy.connectionPool",
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
