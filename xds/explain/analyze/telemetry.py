"""Telemetry objects that are for nobody, that an older one outranks, and providers that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from xds.explain.analyze.selected import attachment_of, had_by_nobody
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.security import Attachment
from xds.model.snapshot import Table
from xds.model.telemetry import Logging, Metrics, Telemetry, Tracing
from xds.model.telemetry_provider import MeshTelemetry, OtelTracer, ZipkinTracer
from xds.view.graph import Read
from xds.view.scope import mesh


def check(read: Read, key: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with a policy object, if it is a Telemetry."""
    if key.kind != "Telemetry":
        return ()
    attachment = attachment_of(read, Table.TELEMETRY, key)
    stated: Telemetry | None = read.first(Table.POLICY, key)
    whom = (*_for_nobody(read, attachment), *_outranked(read, attachment)) if attachment is not None else ()
    return (*whom, *_providers(read.get(mesh).telemetry, stated)) if stated is not None else whom


def _for_nobody(read: Read, mine: Attachment) -> Iterator[Problem]:
    if mine.selector and not mine.targets and (wanted := had_by_nobody(read, mine)):
        at = FieldRef(mine.of, ("spec", "selector"))
        message = f"no workload has {wanted}; the object has no effect"
        yield Problem(at, "telemetry.nobody-selected", message, Severity.WARNING)


def _outranked(read: Read, mine: Attachment) -> Iterator[Problem]:
    rows: tuple[Attachment, ...] = read.rows(Table.TELEMETRY, mine.of.namespace)
    older = rows[: rows.index(mine)]
    winner = next((each for each in older if (each.selector, each.targets) == (mine.selector, mine.targets)), None)
    if winner is not None:
        at = FieldRef(mine.of, ("spec", "selector") if mine.selector else ("spec",))
        message = f"has no effect: {winner.of} is for the same workloads, is older and holds; write both into one"
        yield Problem(at, "telemetry.twice", message, Severity.WARNING)


def _providers(known: MeshTelemetry, stated: Telemetry) -> Iterator[Problem]:
    spec = FieldRef(stated.ref, ("spec",))
    parts: Mapping[str, Sequence[Tracing | Metrics | Logging]]
    parts = {"tracing": stated.tracing, "metrics": stated.metrics, "accessLogging": stated.logging}
    for field, entries in parts.items():
        for index, entry in enumerate(entries):
            yield from _unknown(known, entry.providers, spec / field / index / "providers")
    tracers = any(isinstance(each.speaks, OtelTracer | ZipkinTracer) for each in known.providers)
    for index, traced in enumerate(stated.tracing):
        if not traced.disabled and not traced.providers and not known.traces and not tracers:
            message = "names no provider, and MeshConfig has none for traces: nothing is traced"
            yield Problem(spec / "tracing" / index, "telemetry.no-provider", message, Severity.WARNING)


def _unknown(known: MeshTelemetry, names: tuple[str, ...], at: FieldRef) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if known.provider(name) is None:
            there = ", ".join(each.name for each in known.providers) or "none"
            message = f"is {name!r}, which is none of MeshConfig's extensionProviders; there are {there}"
            yield Problem(at / number / "name", "telemetry.no-such-provider", message, Severity.WARNING)
