"""Fields of which only one may be set: the oneofs of Istio's messages."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from xds.kinds.http_policies import Abort, Delay
from xds.kinds.http_route import HTTPBody, HTTPRedirect, HTTPRewrite, HTTPRoute
from xds.kinds.load_balancer import ConsistentHashLB, LoadBalancerSettings, LocalityLoadBalancerSetting
from xds.kinds.service_entry import ServiceEntrySpec
from xds.kinds.string_match import StringMatch
from xds.kinds.workload_group import ReadinessProbe

Groups = tuple[tuple[str, ...], ...]

ONE_OF: Mapping[type[msgspec.Struct], Groups] = MappingProxyType(
    {
        StringMatch: (("exact", "prefix", "regex"),),
        HTTPRoute: (
            ("route", "redirect", "directResponse", "delegate"),
            ("mirror", "mirrors"),
        ),
        HTTPRedirect: (("port", "derivePort"), ("uri", "prefixRewrite")),
        HTTPBody: (("string", "bytes"),),
        HTTPRewrite: (("uri", "uriRegexRewrite"),),
        Delay: (("fixedDelay", "exponentialDelay"),),
        Abort: (("httpStatus", "grpcStatus", "http2Error"),),
        LoadBalancerSettings: (("simple", "consistentHash"),),
        ConsistentHashLB: (
            ("httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"),
            ("ringHash", "maglev"),
        ),
        LocalityLoadBalancerSetting: (("distribute", "failover"), ("distribute", "failoverPriority")),
        ServiceEntrySpec: (("endpoints", "workloadSelector"),),
        ReadinessProbe: (("httpGet", "tcpSocket", "exec", "grpc"),),
    }
)
"""By struct, the groups of fields of which at most one may be set; JSON names."""
