"""CEL rules by which an API server refuses mistakes at once, each with what to do about it.

No rule refuses what Istio takes. An API server counts what a rule may cost; ``bounds.py`` keeps that low.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import msgspec

from xds.kinds.authorization_policy import AuthorizationPolicySpec
from xds.kinds.envoy_filter import EnvoyFilterSpec
from xds.kinds.exclusive import ONE_OF
from xds.kinds.http_route import HTTPRoute
from xds.kinds.peer_authentication import PeerAuthenticationSpec
from xds.kinds.request_authentication import JWTRule, RequestAuthenticationSpec
from xds.kinds.service_entry import ServiceEntrySpec
from xds.kinds.virtual_service import VirtualServiceSpec
from xds.kinds.workload_entry import WorkloadEntrySpec
from xds.kinds.workload_selector import WorkloadLabels, WorkloadSelector


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition in CEL on ``self``, and what users read when it does not hold."""

    rule: str
    message: str

    @property
    def plain(self) -> dict[str, str]:
        """As ``x-kubernetes-validations`` has it."""
        return {"rule": self.rule, "message": self.message}


DURATION: Final = Rule(
    "duration(self) >= duration('0s')", "must be a duration such as 0s, 100ms, 1.5s or 1h30m: a number and a unit"
)
POSITIVE_DURATION: Final = Rule(
    "duration(self) >= duration('1ms')", "must be a duration of at least 1ms, such as 100ms, 1.5s or 1h30m"
)

_NO_WILDCARD: Final = "labels are compared whole: `*` has no meaning here, list the labels that workloads have"
_SOMETHING: Final = "must have an http, tls or tcp route: without, it routes nothing"
_WEIGHTS: Final = "one of several destinations needs a weight above 0: give each its share, such as 90 and 10"
_PORT_LEVEL: Final = "portLevelMtls needs a selector with matchLabels: ports are those of certain pods"
_PORT_KEY: Final = "the keys of portLevelMtls must be port numbers of the pods, 1 to 65535"
_NO_PROVIDER: Final = "action CUSTOM needs provider.name, an authorizer of MeshConfig's extensionProviders"
_PROVIDER_UNUSED: Final = "provider is for action CUSTOM only: leave it out, or write action: CUSTOM"
_KEYS: Final = "a rule has jwks or jwksUri, not both: remove one"
_ADDRESS: Final = "must have an address, or the network whose gateway leads to it"
_SUBNET: Final = "a subnet in addresses needs resolution NONE or STATIC: use single addresses with DNS"
_ONE_ENDPOINT: Final = "resolution DNS_ROUND_ROBIN takes one endpoint: use DNS for several"
_UNUSED: Final = "endpoints have no effect with resolution NONE: use STATIC or DNS"
_ANY_HOST: Final = "a ServiceEntry for the host `*` is none: name the hosts, `*.example.com` is all below one"

_LABELS: Final = (
    Rule("!has(self.FIELD) || self.FIELD.all(key, key != '' && !key.contains('*'))", _NO_WILDCARD),
    Rule("!has(self.FIELD) || self.FIELD.all(key, !self.FIELD[key].contains('*'))", _NO_WILDCARD),
)


def _labels(field: str) -> tuple[Rule, ...]:
    return tuple(Rule(each.rule.replace("FIELD", field), each.message) for each in _LABELS)


def _counted(fields: Sequence[str]) -> str:
    return " + ".join(f"({each} ? 1 : 0)" for each in fields)


def _aimed(fields: Sequence[str]) -> Rule:
    """At most one of those; lists and objects alike."""
    names = f"{', '.join(fields[:-1])} and {fields[-1]}"
    return Rule(f"{_counted([f'has(self.{each})' for each in fields])} <= 1", f"only one of {names} may be set")


_TARGETS: Final = _aimed(("selector", "targetRef", "targetRefs"))

_RULES: Final[Mapping[type[msgspec.Struct], tuple[Rule, ...]]] = MappingProxyType(
    {
        VirtualServiceSpec: (
            Rule(
                " || ".join(f"(has(self.{each}) && self.{each}.size() > 0)" for each in ("http", "tls", "tcp")),
                _SOMETHING,
            ),
        ),
        HTTPRoute: (
            Rule(
                "!has(self.route) || self.route.size() < 2 || self.route.exists(to, has(to.weight) && to.weight > 0)",
                _WEIGHTS,
            ),
        ),
        PeerAuthenticationSpec: (
            Rule(
                "!has(self.portLevelMtls) || self.portLevelMtls.size() == 0 || (has(self.selector)"
                " && has(self.selector.matchLabels) && self.selector.matchLabels.size() > 0)",
                _PORT_LEVEL,
            ),
            Rule("!has(self.portLevelMtls) || self.portLevelMtls.all(p, 0 < int(p) && int(p) <= 65535)", _PORT_KEY),
        ),
        AuthorizationPolicySpec: (
            _TARGETS,
            Rule(
                "!has(self.action) || self.action != 'CUSTOM'"
                " || (has(self.provider) && has(self.provider.name) && self.provider.name != '')",
                _NO_PROVIDER,
            ),
            Rule("!has(self.provider) || (has(self.action) && self.action == 'CUSTOM')", _PROVIDER_UNUSED),
        ),
        RequestAuthenticationSpec: (_TARGETS,),
        EnvoyFilterSpec: (_aimed(("workloadSelector", "targetRefs")),),
        JWTRule: (Rule(f"{_counted(['has(self.jwksUri)', 'has(self.jwks_uri)', 'has(self.jwks)'])} <= 1", _KEYS),),
        WorkloadEntrySpec: (Rule("has(self.address) || has(self.network)", _ADDRESS),),
        ServiceEntrySpec: (
            Rule("self.hosts.all(host, host != '*')", _ANY_HOST),
            Rule(
                "!has(self.addresses) || !has(self.resolution) || self.resolution in ['NONE', 'STATIC']"
                " || !self.addresses.exists(address, address.contains('/'))",
                _SUBNET,
            ),
            Rule(
                "!has(self.endpoints) || !has(self.resolution) || self.resolution != 'DNS_ROUND_ROBIN'"
                " || self.endpoints.size() <= 1",
                _ONE_ENDPOINT,
            ),
            Rule(
                "!has(self.endpoints) || self.endpoints.size() == 0"
                " || (has(self.resolution) && self.resolution != 'NONE')",
                _UNUSED,
            ),
        ),
        WorkloadSelector: _labels("matchLabels"),
        WorkloadLabels: _labels("labels"),
    }
)


def rules(struct: type[msgspec.Struct]) -> tuple[Rule, ...]:
    """The rules on objects of ``struct``: its fields that exclude each other, then what else is known of it."""
    return (*_one_of(struct), *_RULES.get(struct, ()))


def _one_of(struct: type[msgspec.Struct]) -> Iterator[Rule]:
    lists = {field.encode_name for field in msgspec.structs.fields(struct) if field.default == ()}
    for group in ONE_OF.get(struct, ()):
        set_ = [
            f"has(self.{name}) && self.{name}.size() > 0" if name in lists else f"has(self.{name})" for name in group
        ]
        names = f"{', '.join(group[:-1])} and {group[-1]}"
        yield Rule(f"{_counted(set_)} <= 1", f"only one of {names} may be set: remove the others")
