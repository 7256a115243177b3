"""DestinationRules whose TLS proves nothing: whoever is on the way can be the server."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.policy import Policies
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.service import DestinationRule
from xds.model.snapshot import Table
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.view.graph import Read

_OWN = (Mode.SIMPLE, Mode.MUTUAL)


def check(read: Read, key: tuple[str, str]) -> tuple[Problem, ...]:
    """The TLS of a namespace's rules for a host that verifies no server, where that is stated."""
    rules: tuple[DestinationRule, ...] = read.rows(Table.RULE, key)
    return tuple(_said(at) for each in rules for at, policies in _stated(each) if _unverified(policies))


def _stated(rule: DestinationRule) -> Iterator[tuple[FieldRef, Policies]]:
    spec = FieldRef(rule.ref, ("spec",))
    yield spec / "trafficPolicy.tls", rule.policies
    for number, (_, policies) in enumerate(rule.port_policies):
        yield spec / "trafficPolicy.portLevelSettings" / number / "tls", policies
    for index, subset in enumerate(rule.subsets):
        yield spec / "subsets" / index / "trafficPolicy.tls", subset.policies
        for number, (_, policies) in enumerate(subset.port_policies):
            yield spec / "subsets" / index / "trafficPolicy.portLevelSettings" / number / "tls", policies


def _unverified(policies: Policies) -> bool:
    tls = policies.get(UpstreamTls)
    return tls is not None and tls.mode in _OWN and not tls.verify


def _said(at: FieldRef) -> Problem:
    message = (
        "takes any server's certificate, so that whoever is on the way can be the server: say whom to believe by "
        "caCertificates or credentialName, or leave insecureSkipVerify out for the system's authorities"
    )
    return Problem(at / "insecureSkipVerify", "tls.unverified", message, Severity.WARNING)
