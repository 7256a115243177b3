"""The workloads that a policy's selector is for, and the services that are for the same ones."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.labels import Labels
from xds.model.refs import ObjectRef
from xds.model.security import Attachment
from xds.model.service import Service
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.graph import Read
from xds.view.scope import mesh


class Group(NamedTuple):
    """Workloads of a namespace that have the same labels, and one of them by name."""

    namespace: str
    labels: Labels
    pod: str


def groups(read: Read, namespace: str) -> tuple[Group, ...]:
    """The workloads of a namespace by their labels."""
    found: dict[Labels, Group] = {}
    for home, name in read.keys(Table.WORKLOAD):
        if home == namespace:
            pod: Workload | None = read.first(Table.WORKLOAD, (home, name))
            if pod is not None:
                found.setdefault(pod.labels, Group(home, pod.labels, name))
    return tuple(found.values())


def attachment_of(read: Read, table: Table, ref: ObjectRef) -> Attachment | None:
    """Whom a policy is for, as ``table`` (ATTACHMENT or PEER_AUTHENTICATION) has it."""
    rows: tuple[Attachment, ...] = read.rows(table, ref.namespace)
    return next((each for each in rows if each.of == ref), None)


def of(read: Read, attachment: Attachment) -> list[Group]:
    """The workloads that are selected."""
    return [group for group in _candidates(read, attachment.of) if attachment.selector <= group.labels]


def had_by_nobody(read: Read, attachment: Attachment) -> str:
    """The labels selected, as text, when there are workloads and none has them; empty else."""
    candidates = _candidates(read, attachment.of)
    if not candidates or any(attachment.selector <= group.labels for group in candidates):
        return ""
    return ", ".join(f"{key}={value}" for key, value in sorted(attachment.selector))


def selecting_alike(read: Read, service: Service) -> tuple[Service, ...]:
    """The services of the namespace that have the same selector, this one among them, the oldest first."""
    if not service.selector:
        return ()
    found: tuple[Service, ...] = read.get(with_selector, service.namespace, service.selector)
    return found


def with_selector(read: Read, namespace: str, selector: Labels) -> tuple[Service, ...]:
    """The services of a namespace that have that selector, the oldest first."""
    found: tuple[Service, ...] = read.get(by_selector, namespace).get(selector, ())
    return found


def by_selector(read: Read, namespace: str) -> dict[Labels, tuple[Service, ...]]:
    """The services of a namespace by their selector: looked through once, not once for each of them."""
    found: dict[Labels, list[Service]] = {}
    rows: tuple[Service, ...] = read.rows(Table.SELECTING, namespace)
    for each in rows:
        found.setdefault(each.selector, []).append(each)
    return {selector: tuple(services) for selector, services in found.items()}


def _candidates(read: Read, ref: ObjectRef) -> list[Group]:
    return [group for home in _namespaces(read, ref.namespace) for group in read.get(groups, home)]


def _namespaces(read: Read, namespace: str) -> list[str]:
    if namespace != read.get(mesh).root_namespace:
        return [namespace]
    return sorted({home for home, _ in read.keys(Table.WORKLOAD)})
