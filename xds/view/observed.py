"""What a proxy tells of its traffic: what Telemetry objects and MeshConfig say of it, put together.

Source: istio-semantics 1.11 and 5.4: the root namespace's, the namespace's, the workload's; of each the oldest.
Providers and tags of a narrower scope replace those of a wider one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from xds.model.labels import Labels
from xds.model.refs import ObjectRef
from xds.model.security import Attachment
from xds.model.snapshot import Table
from xds.model.telemetry import Logging, Sampled, Telemetry, Tracing
from xds.model.telemetry_provider import (
    SAMPLED,
    FileLog,
    GrpcLog,
    Log,
    MeshTelemetry,
    OtelLog,
    OtelTracer,
    Tracer,
    ZipkinTracer,
)
from xds.view import names
from xds.view.counted import counted
from xds.view.filters import targeted
from xds.view.graph import Read
from xds.view.scope import mesh, resolved_service
from xds.view.specs.observed import UNSTATED, Logger, Observed, Traced

_SAMPLING: Final = 1.0  # percent of requests that begin a trace, as in Istio


def telemetry_of(read: Read, namespace: str, labels: Labels) -> tuple[ObjectRef, ...]:
    """The Telemetry objects that hold for the workloads of a namespace that have these labels, the widest first."""
    root = read.get(mesh).root_namespace
    found: list[ObjectRef | None] = []
    for owner in dict.fromkeys((root, namespace)):
        rows: tuple[Attachment, ...] = read.rows(Table.TELEMETRY, owner)
        found.append(_first(each for each in rows if not each.selector and not each.targets))
    here: tuple[Attachment, ...] = read.rows(Table.TELEMETRY, namespace)
    found.append(_first(each for each in here if each.selector and each.selector <= labels))
    found.append(_first(each for each in here if each.targets and targeted(each, labels)))
    return tuple(ref for ref in found if ref is not None)


def _first(found: Iterable[Attachment]) -> ObjectRef | None:
    return next((each.of for each in found), None)


def stated(read: Read, refs: tuple[ObjectRef, ...]) -> tuple[Telemetry, ...]:
    """What those objects say."""
    found = (read.first(Table.POLICY, ref) for ref in refs)
    return tuple(each for each in found if isinstance(each, Telemetry))


def speaks(read: Read, ref: ObjectRef) -> bool:
    """Whether a Telemetry says anything of logs or traces, or of metrics what is not usual."""
    found = stated(read, (ref,))
    return any(each.logging or each.tracing or any(entry.overrides for entry in each.metrics) for each in found)


def observed(read: Read, refs: tuple[ObjectRef, ...], home: str, outbound: bool) -> Observed:
    """What proxies of ``home`` tell that these Telemetry objects hold for."""
    own = read.get(mesh).telemetry
    found = stated(read, refs)
    chosen, _ = logs_of(own, found, outbound=outbound)
    expression = _expression(found, outbound=outbound)
    loggers = tuple(_loggers(read, own, chosen, home, expression))
    if not chosen:
        loggers = tuple(replace(each, expression=expression) for each in UNSTATED.loggers)
    return Observed(loggers, _traced(read, own, found, home, outbound), counted(own, found, outbound=outbound))


def logs_of(
    own: MeshTelemetry, found: tuple[Telemetry, ...], *, outbound: bool
) -> tuple[tuple[str, ...], frozenset[str]]:
    """The providers that logs go to, in order, and those of them that are given nothing.

    No provider is what logs where nobody says anything; its name among the others is ``SAMPLED``.
    """
    chosen, off = own.logs, frozenset[str]()
    for each in found:
        entries = [entry for entry in each.logging if entry.mode.covers(outbound=outbound)]
        wanted = dict.fromkeys(name for entry in entries if not entry.disabled for name in entry.providers)
        if wanted:
            chosen, off = tuple(wanted), frozenset()
        for entry in entries:
            whose = frozenset(entry.providers or chosen or (SAMPLED,))
            off = off | whose if entry.disabled else off - whose
    return chosen, off & frozenset(chosen or (SAMPLED,))


def sampled_of(found: tuple[Telemetry, ...]) -> Sampled:
    """Which requests are logged where nobody names a provider."""
    whole = Sampled()
    for each in found:
        own = each.sampled
        whole = Sampled(
            whole.percent if own.percent is None else own.percent,
            whole.status if own.status is None else own.status,
            whole.slow if own.slow is None else own.slow,
        )
    return whole


def tracing_of(own: MeshTelemetry, found: tuple[Telemetry, ...], *, outbound: bool) -> Tracing:
    """How traffic of a direction is traced; what is None nobody has said."""
    whole = replace(own.tracing, providers=own.traces)
    for each in found:
        for entry in each.tracing:
            if entry.mode.covers(outbound=outbound):
                whole = _over(entry, whole)
    return whole


def _over(entry: Tracing, below: Tracing) -> Tracing:
    def or_else(name: str) -> object:
        value = getattr(entry, name)
        return getattr(below, name) if value is None else value

    fields = ("sampling", "disabled", "tags", "request_id_decides", "istio_tags", "propagates")
    kept = {name: or_else(name) for name in fields}
    return replace(below, providers=entry.providers or below.providers, **kept)  # type: ignore[arg-type]


def _expression(found: tuple[Telemetry, ...], *, outbound: bool) -> str:
    expression = ""
    for each in found:
        for entry in _of_direction(each.logging, outbound=outbound):
            expression = entry.expression if entry.expression is not None else expression
    return expression


def _of_direction(entries: Iterable[Logging], *, outbound: bool) -> Iterator[Logging]:
    return (entry for entry in entries if entry.mode.covers(outbound=outbound))


def _loggers(read: Read, own: MeshTelemetry, chosen: tuple[str, ...], home: str, expression: str) -> Iterator[Logger]:
    for name in chosen:
        provider = own.provider(name)
        if provider is None or not isinstance(provider.speaks, FileLog | GrpcLog | OtelLog):
            continue
        to = provider.speaks if isinstance(provider.speaks, FileLog) else _called(read, provider.speaks, home)
        if to is not None:
            yield Logger(name, to, expression)


def _called(read: Read, to: GrpcLog | OtelLog, home: str) -> Log | None:
    cluster = cluster_of(read, to, home)
    return replace(to, cluster=cluster) if cluster else None


def cluster_of(read: Read, to: GrpcLog | OtelLog | OtelTracer | ZipkinTracer, home: str) -> str:
    """The cluster of a collector; ``""`` where nobody of ``home`` reaches it, as Envoy may refuse to name it."""
    service = resolved_service(read, to.service.host, home)
    if service is None or service.port(to.service.port) is None:
        return ""
    return names.outbound_cluster(to.service.port, "", service.hostname)


def _traced(read: Read, own: MeshTelemetry, found: tuple[Telemetry, ...], home: str, outbound: bool) -> Traced | None:
    whole = tracing_of(own, found, outbound=outbound)
    other = tracing_of(own, found, outbound=not outbound)
    provider = own.provider(whole.providers[0]) if whole.providers else None
    if provider is None or not own.traced or not isinstance(provider.speaks, OtelTracer | ZipkinTracer):
        return None
    cluster = cluster_of(read, provider.speaks, home)
    if not cluster or (whole.disabled and not other.disabled):
        return None
    # What holds for both directions is said apart from the listener.
    apart = (whole.sampling, whole.disabled) == (other.sampling, other.disabled)
    to: Tracer = replace(provider.speaks, cluster=cluster)
    return Traced(
        to,
        sampling=_SAMPLING if apart or whole.sampling is None else whole.sampling,
        tags=whole.tags or (),
        istio_tags=whole.istio_tags is not False,
        request_id_decides=whole.request_id_decides is not False,
        propagates=whole.propagates is not False,
    )


def collectors(read: Read, refs: tuple[ObjectRef, ...]) -> tuple[str, ...]:
    """The hosts that proxies call to tell of their traffic, sorted: their clusters are always needed."""
    own, found = read.get(mesh).telemetry, stated(read, refs)
    wanted: set[str] = set()
    for outbound in (True, False):
        wanted.update(logs_of(own, found, outbound=outbound)[0])
        wanted.update(tracing_of(own, found, outbound=outbound).providers)
    speaking = [each.speaks for each in own.providers if each.name in wanted]
    called = (GrpcLog, OtelLog, OtelTracer, ZipkinTracer)
    return tuple(sorted({each.service.host for each in speaking if isinstance(each, called)}))
