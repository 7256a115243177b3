"""What schemas say of single fields beyond their structs: sizes that keep CEL rules affordable, and leniency."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from xds.kinds.authorization_policy import AuthorizationPolicySpec
from xds.kinds.destination_rule import DestinationRuleSpec
from xds.kinds.envoy_filter import EnvoyFilterSpec
from xds.kinds.http_route import HTTPRedirect, HTTPRoute
from xds.kinds.peer_authentication import PeerAuthenticationSpec
from xds.kinds.request_authentication import JWTRule, RequestAuthenticationSpec
from xds.kinds.service_entry import ServiceEntrySpec
from xds.kinds.traffic_policy import TrafficPolicy
from xds.kinds.virtual_service import VirtualServiceSpec
from xds.kinds.workload_selector import WorkloadLabels, WorkloadSelector

_LABELS: dict[str, Any] = {"maxProperties": 4096, "additionalProperties": {"type": "string", "maxLength": 63}}
"""A label's value is no longer than that."""
_BY_NAME: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
"""No two of a name; and who owns which entry is told apart by it (server-side apply)."""

BOUNDS: Mapping[tuple[type[msgspec.Struct], str], Mapping[str, Any]] = MappingProxyType(
    {
        # An API server refuses a rule by what it might cost on the longest list there could be. An object holds 1.5 MiB
        # at most, hence no more routes of a useful length than this.
        (VirtualServiceSpec, "http"): {"maxItems": 16_384},
        (HTTPRoute, "route"): {"maxItems": 64},
        (DestinationRuleSpec, "subsets"): {"maxItems": 1024, **_BY_NAME},
        (TrafficPolicy, "portLevelSettings"): {"maxItems": 256},
        (AuthorizationPolicySpec, "targetRefs"): {"maxItems": 16},
        (RequestAuthenticationSpec, "targetRefs"): {"maxItems": 16},
        (EnvoyFilterSpec, "targetRefs"): {"maxItems": 16},
        (RequestAuthenticationSpec, "jwtRules"): {"maxItems": 4096},
        (JWTRule, "jwksUri"): {"maxLength": 2048},
        (JWTRule, "jwks_uri"): {"maxLength": 2048},
        (PeerAuthenticationSpec, "portLevelMtls"): {"maxProperties": 4096},
        (WorkloadSelector, "matchLabels"): _LABELS,
        (WorkloadLabels, "labels"): _LABELS,
        (ServiceEntrySpec, "addresses"): {"maxItems": 256, "items": {"type": "string", "maxLength": 64}},
        (ServiceEntrySpec, "endpoints"): {"maxItems": 4096},
        (ServiceEntrySpec, "ports"): _BY_NAME,
        # Istio's own schema takes any number here; what is no redirect is said by the webhook and by `plait analyze`.
        (HTTPRedirect, "redirectCode"): {"enum": None, "minimum": 0, "maximum": 599},
    }
)
"""By struct and JSON name of the field, the keys that its schema gets; None takes one away."""
