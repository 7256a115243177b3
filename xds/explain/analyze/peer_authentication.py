"""PeerAuthentications that have no effect: misplaced, for nobody, or beside an older one."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.analyze.selected import attachment_of, had_by_nobody, of
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import Attachment, PeerAuthentication
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.inbound import Offer, inbound_ports
from xds.view.scope import mesh


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a policy object between others, if it is a PeerAuthentication."""
    if key.kind != "PeerAuthentication":
        return ()
    attachment = attachment_of(read, Table.PEER_AUTHENTICATION, key)
    policy: PeerAuthentication | None = read.first(Table.POLICY, key)
    if attachment is None or policy is None:
        return ()
    root = read.get(mesh).root_namespace
    if policy.selector and key.namespace == root:
        message = (
            f"has no effect in {root}, whose policies are for the whole mesh: leave selector out, "
            "or put the policy into the namespace of its workloads"
        )
        at = FieldRef(key, ("spec", "selector"))
        return (Problem(at, "peer-authentication.selector-in-root", message, Severity.WARNING),)
    return (*_for_nobody(read, attachment), *_outranked(read, attachment), *_ports(read, attachment, policy))


def _for_nobody(read: Read, mine: Attachment) -> Iterator[Problem]:
    if wanted := had_by_nobody(read, mine):
        at = FieldRef(mine.of, ("spec", "selector"))
        message = f"no workload has {wanted}; the policy has no effect"
        yield Problem(at, "peer-authentication.nobody-selected", message, Severity.WARNING)


def _outranked(read: Read, mine: Attachment) -> Iterator[Problem]:
    rows: tuple[Attachment, ...] = read.rows(Table.PEER_AUTHENTICATION, mine.of.namespace)
    before = [each for each in rows[: rows.index(mine)] if bool(each.selector) == bool(mine.selector)]
    for group in of(read, mine) if mine.selector else ():
        winner = next((each for each in before if each.selector <= group.labels), None)
        if winner is not None:
            message = f"is not for {group.namespace}/{group.pod}: {winner.of} is for it too, and the first one holds"
            at = FieldRef(mine.of, ("spec", "selector"))
            yield Problem(at, "peer-authentication.twice", message, Severity.WARNING)
            return
    same = next((each for each in before if each.selector == mine.selector), None)
    if same is not None:
        message = f"has no effect: {same.of} is for the same workloads, and the first one holds"
        at = FieldRef(mine.of, ("spec", "selector" if mine.selector else "mtls"))
        yield Problem(at, "peer-authentication.twice", message, Severity.WARNING)


def _ports(read: Read, mine: Attachment, policy: PeerAuthentication) -> Iterator[Problem]:
    selected = of(read, mine)
    offered = {port.number for group in selected for port in read.get(inbound_ports, Offer(*group))}
    for number, _ in policy.port_modes:
        if offered and number not in offered:
            known = ", ".join(map(str, sorted(offered)))
            message = f"no Service leads to this port of the pods; to {known} they do, whatever their own ports are"
            at = (FieldRef(mine.of, ("spec",)) / "portLevelMtls").key(str(number))
            yield Problem(at, "peer-authentication.port-of-no-service", message, Severity.INFO)
