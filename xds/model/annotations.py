"""Istio's annotations: on which kinds each has a meaning, and which values some of them may have.

Source: istio-semantics 2.10, 2.11; istio.io's reference of resource annotations.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final

_POD: Final = frozenset({"Pod"})
_SERVICE: Final = frozenset({"Service"})
_ENTRY: Final = frozenset({"WorkloadEntry"})
_GATEWAY: Final = frozenset({"Gateway"})
_ANY: Final = frozenset[str]()

_WORDS: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "sidecar.istio.io/": (
        _POD,
        (
            "inject status interceptionMode proxyImage proxyImageType proxyCPU proxyCPULimit proxyMemory "
            "proxyMemoryLimit bootstrapOverride componentLogLevel logLevel agentLogLevel discoveryAddress "
            "enableCoreDump extraStatTags statsInclusionPrefixes statsInclusionSuffixes statsInclusionRegexps "
            "statsHistogramBuckets statsCompression statsEvictionInterval userVolume userVolumeMount "
            "rewriteAppHTTPProbers controlPlaneAuthPolicy nativeSidecar"
        ),
    ),
    "traffic.sidecar.istio.io/": (
        _POD,
        (
            "includeInboundPorts excludeInboundPorts includeOutboundPorts excludeOutboundPorts includeOutboundIPRanges "
            "excludeOutboundIPRanges excludeInterfaces kubevirtInterfaces"
        ),
    ),
    "readiness.status.sidecar.istio.io/": (_POD, "applicationPorts failureThreshold initialDelaySeconds periodSeconds"),
    "status.sidecar.istio.io/": (_POD, "port"),
    "proxy.istio.io/": (_POD, "config overrides"),
    "prometheus.istio.io/": (_POD, "merge-metrics scrape-targets secure-port"),
    "inject.istio.io/": (_POD, "templates"),
    "ambient.istio.io/": (_ANY, "redirection bypass-inbound-capture dns-capture"),
    "networking.istio.io/": (_SERVICE | _GATEWAY | {"ServiceEntry"}, "exportTo traffic-distribution service-type"),
    "gateway.istio.io/": (_GATEWAY, "controller-version name-override service-account listener-protocol"),
    "topology.istio.io/": (frozenset({"Namespace"}), "controlPlaneClusters network"),
    "galley.istio.io/": (_ANY, "analyze-suppress"),
    "envoyfilter.istio.io/": (frozenset({"EnvoyFilter"}), "referenced-services"),
    "internal.istio.io/": (_ANY, "parents service-account-name"),
    "alpha.istio.io/": (_SERVICE, "canonical-serviceaccounts kubernetes-serviceaccounts"),
    "istio.io/": (_ANY, "rev config reroute-virtual-interfaces tag description"),
}
_ALONE: Final[Mapping[str, frozenset[str]]] = {
    "istio.io/dry-run": frozenset({"AuthorizationPolicy"}),
    "istio.io/workloadController": _ENTRY,
    "istio.io/autoRegistrationGroup": _ENTRY,
    "istio.io/connectedAt": _ENTRY,
    "istio.io/disconnectedAt": _ENTRY,
}
KNOWN: Final[Mapping[str, frozenset[str]]] = {
    **{prefix + word: kinds for prefix, (kinds, words) in _WORDS.items() for word in words.split()},
    **_ALONE,
}
"""The kinds on which an annotation has a meaning; none: on any."""

_CAPTURE: Final = "traffic.sidecar.istio.io/"
_BOOLEAN: Final = frozenset({"true", "false", "yes", "no", "y", "n", "on", "off", "1", "0"})


def near(key: str) -> str:
    """The known annotation that is most like ``key``; empty where none is."""
    return next(iter(difflib.get_close_matches(key, KNOWN, n=1, cutoff=0.85)), "")


def is_istios(key: str) -> bool:
    """Whether an annotation's name is one of Istio's to give."""
    prefix = key.partition("/")[0]
    return prefix == "istio.io" or prefix.endswith(".istio.io")


def must_be(key: str, value: str) -> str:
    """What an annotation's value must be, where it is not that; empty where it is."""
    prefix, _, word = key.partition("/")
    if f"{prefix}/" == _CAPTURE and word.endswith("Ports"):
        return "" if _are_ports(value) else "ports with commas between them, or * for all"
    if f"{prefix}/" == _CAPTURE and word.endswith("IPRanges"):
        return "" if _are_ranges(value) else "IP ranges with commas between them, or * for all"
    if key == "sidecar.istio.io/interceptionMode":
        return "" if value in ("REDIRECT", "TPROXY", "NONE") else "REDIRECT, TPROXY or NONE"
    if key in ("sidecar.istio.io/inject", "sidecar.istio.io/rewriteAppHTTPProbers", "sidecar.istio.io/nativeSidecar"):
        return "" if value.lower() in _BOOLEAN else "true or false"
    if prefix == "readiness.status.sidecar.istio.io" and word != "applicationPorts":
        return "" if value.isdecimal() else "a whole number"
    return ""


def _are_ports(text: str) -> bool:
    words = [word.strip() for word in text.split(",") if word.strip()]
    return text.strip() == "*" or all(word.isdecimal() and 0 < int(word) < 65536 for word in words if len(word) < 9)


def _are_ranges(text: str) -> bool:
    if text.strip() in ("*", ""):
        return True
    try:
        for word in text.split(","):
            ip_network(word.strip(), strict=False)
    except ValueError:
        return False
    return True
