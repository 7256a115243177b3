"""Sidecars that have no effect, or name what is not there."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.analyze.selected import attachment_of, had_by_nobody
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import Attachment
from xds.model.service import Service, ServiceKey
from xds.model.sidecar import ANY, OWN_NAMESPACE, HostsOf
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import mesh, visible
from xds.view.sidecar_at import sidecar


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a Sidecar between other objects."""
    attachment = attachment_of(read, Table.SIDECAR_SELECTOR, key)
    if attachment is None:
        return ()
    return (*_for_nobody(read, attachment), *_outranked(read, attachment), *_hosts(read, key))


def _for_nobody(read: Read, mine: Attachment) -> Iterator[Problem]:
    if wanted := had_by_nobody(read, mine):
        at = FieldRef(mine.of, ("spec", "workloadSelector"))
        message = f"no workload has {wanted}; the Sidecar has no effect"
        yield Problem(at, "sidecar.nobody-selected", message, Severity.WARNING)


def _outranked(read: Read, mine: Attachment) -> Iterator[Problem]:
    rows: tuple[Attachment, ...] = read.rows(Table.SIDECAR_SELECTOR, mine.of.namespace)
    winner = next((each for each in rows[: rows.index(mine)] if each.selector == mine.selector), None)
    if winner is not None:
        at = FieldRef(mine.of, ("spec", "workloadSelector") if mine.selector else ("spec",))
        message = f"has no effect: {winner.of} is for the same workloads, and the first one holds"
        yield Problem(at, "sidecar.twice", message, Severity.WARNING)


def _hosts(read: Read, key: ObjectRef) -> Iterator[Problem]:
    found = sidecar(read, key)
    root = read.get(mesh).root_namespace
    for index, entry in enumerate(found.egress if found is not None else ()):
        for each in entry.hosts:
            wide = each.host.startswith(ANY) or (each.namespace == OWN_NAMESPACE and key.namespace == root)
            if wide or _known(read, each, key.namespace):
                continue
            at = FieldRef(key, ("spec",)) / "egress" / index / "hosts"
            message = f"{each.namespace}/{each.host} is no service that is seen from {key.namespace}"
            yield Problem(at, "sidecar.unknown-host", message, Severity.WARNING)


def _known(read: Read, wanted: HostsOf, own: str) -> bool:
    rows: tuple[Service, ...] = read.rows(Table.HOST, wanted.host)
    default = read.get(mesh).default_service_export_to
    keys: list[ServiceKey] = [row.key for row in rows if visible(row.export_to or default, row.namespace, own)]
    return any(wanted.covers(*key, own) for key in keys) or bool(read.rows(Table.ROUTED_HOST, wanted.host))
