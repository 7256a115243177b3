"""The Secrets that servers and rules show to others: which are used, and which of them do not hold at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from xds.explain.analyze.gateways import routers_of
from xds.model.credential import Credential
from xds.model.gateway import Gateway, GatewaySelector
from xds.model.gateway_api import ApiGateway, GroupKind, ListenerSet
from xds.model.policy import Encrypting
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.service import DestinationRule
from xds.model.snapshot import Table
from xds.view.gateway_api.backends import permitted
from xds.view.graph import Call, Read, call

_SOON_S: Final = 7 * 24 * 3600
_PART_OF_LIFE: Final = 10


class Used(NamedTuple):
    """A Secret with a certificate that something shows; POSIX seconds, 0 where unknown. ``by`` is who names it."""

    ref: ObjectRef
    begins: int
    ends: int
    by: ObjectRef


def used(read: Read) -> tuple[Used, ...]:
    """The Secrets with certificates that Gateways and DestinationRules name, each once, sorted."""
    found: dict[ObjectRef, Used] = {}
    for by, namespace, name in _named(read):
        held: Credential | None = read.first(Table.CREDENTIAL, (namespace, name))
        if held is not None and held.private_key:
            found.setdefault(held.ref, Used(held.ref, held.begins, held.ends, by))
    return tuple(sorted(found.values()))


USED: Call = call(used)


def _named(read: Read) -> Iterator[tuple[ObjectRef, str, str]]:
    yield from _of_gateways(read)
    for table in (Table.API_GATEWAY, Table.LISTENER_SET):
        for ref in read.keys(table):
            owner: ApiGateway | ListenerSet | None = read.first(table, ref)
            kind = GroupKind(ref.group, ref.kind)
            for listener in owner.listeners if owner is not None else ():
                shown = (each for each in listener.certificates if permitted(read, kind, ref.namespace, each))
                yield from ((ref, each.namespace, each.name) for each in shown)
    for key in read.keys(Table.RULE):
        yield from read.get(named_by_rules, key)


def named_by_rules(read: Read, key: tuple[str, str]) -> tuple[tuple[ObjectRef, str, str], ...]:
    """The Secrets that the rules of one host of a namespace name; comes out equal while the rest of them changes."""
    rules: tuple[DestinationRule, ...] = read.rows(Table.RULE, key)
    return tuple(
        (rule.ref, rule.ref.namespace, stated.credential)
        for rule in rules
        for policies in rule.every
        for stated in policies.that(Encrypting)
        if stated.credential
    )


def _of_gateways(read: Read) -> Iterator[tuple[ObjectRef, str, str]]:
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    for row in rows:
        gateway: Gateway | None = read.first(Table.GATEWAY, row.of)
        homes = {pod.namespace for pod in read.get(routers_of, row.selector, row.namespace)} or {row.of.namespace}
        for server in gateway.servers if gateway is not None else ():
            for name in server.tls.certificates if server.tls is not None else ():
                yield from ((row.of, name.namespace or home, name.name) for home in sorted(homes))


def expiries(found: Iterable[Used], now: float) -> tuple[Problem, ...]:
    """What is wrong at a time with Secrets that are used. Units: ``now`` is POSIX seconds."""
    return tuple(problem for each in found if each.ends for problem in _at(each, now))


def _at(one: Used, now: float) -> Iterator[Problem]:
    at = FieldRef(one.ref, ("data",)).key("tls.crt")
    if now >= one.ends:
        yield Problem(at, "secret.expired", f"must be renewed: it ended {_day(one.ends)}, and {one.by} shows it")
    elif now < one.begins:
        message = f"must hold already: it begins {_day(one.begins)}, and {one.by} shows it; or a clock is wrong"
        yield Problem(at, "secret.not-yet-valid", message)
    elif one.ends - now < min(_SOON_S, (one.ends - one.begins) / _PART_OF_LIFE):
        message = f"should be renewed: it ends {_day(one.ends)}, and {one.by} shows it"
        yield Problem(at, "secret.ends-soon", message, Severity.WARNING)


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
