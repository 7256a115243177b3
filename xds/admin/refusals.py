"""Refusals and workloads as the admin pages tell them, and the counters of refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from xds.admin.exposition import Metric, Sample
from xds.audit.naming import WorkloadSecurity
from xds.audit.record import OTHERS, CountKey, Numbered, Record, Wanted
from xds.audit.refusal import Blame, Kind, Party

Json = dict[str, Any]

_LABELS: Final = ("source", "destination", "policy", "kind")


def wanted(query: Mapping[str, str]) -> Wanted:
    """Which refusals a query asks for. ValueError, which says what is wrong with it."""
    kind, since = query.get("kind", ""), query.get("since", "")
    if kind and kind not in set(Kind):
        raise ValueError(f"kind must be one of {', '.join(Kind)}, is {kind!r}")
    try:
        moment = datetime.fromisoformat(since) if since else None
    except ValueError:
        raise ValueError(f"since must be a time as ISO 8601 has it, is {since!r}") from None
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return Wanted(
        source=query.get("from", ""),
        destination=query.get("to", ""),
        kind=Kind(kind) if kind else None,
        since=moment,
        after=_number(query, "after", 0),
        last=_number(query, "last", Wanted().last),
        request_id=query.get("request_id", ""),
    )


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or len(text) > 18:
        raise ValueError(f"{name} must be a number, is {text!r}")
    return int(text)


def latest(record: Record, asked: Wanted) -> Json:
    """Those that are asked for, the oldest first; ``next`` is the ``after`` of who wants to go on from here."""
    return {
        "next": record.number,
        "lost": record.lost(asked.after) if asked.after else 0,
        "dropped": record.dropped,
        "refusals": [_refusal(each) for each in record.latest(asked)],
    }


def counted(record: Record) -> list[Json]:
    """The counts of all refusals, the highest first."""
    return [
        {
            "from": key.source,
            "to": key.destination,
            "kind": key.kind.value if key.kind is not None else OTHERS,
            "policies": [_blame(each) for each in key.policies],
            "times": count.times,
            "first": count.first.isoformat(),
            "last": count.last.isoformat(),
            "stage": count.example.stage.value,
            "why": count.example.why,
            "request": count.example.request,
        }
        for key, count in record.counts()
    ]


def workload(known: WorkloadSecurity) -> Json:
    """A workload, and what it takes from its callers."""
    return {
        "namespace": known.pod.namespace,
        "pod": known.pod.name,
        "workload": known.workload,
        "service_account": known.service_account,
        "labels": dict(sorted(known.labels)),
        "addresses": list(known.addresses),
        "sidecar": known.sidecar,
        "mode": known.mtls.mode.value,
        "port_modes": {str(port): mode.value for port, mode in known.mtls.ports},
    }


def metrics(record: Record) -> Iterable[Metric]:
    """Counters for Prometheus."""
    totals = Counter[tuple[str, ...]]()
    for key, count in record.counts():
        totals[_labels(key)] += count.times
    yield Metric(
        "plait_refusals_total",
        "counter",
        "Requests and connections that were refused, would have been, or were audited.",
        tuple(Sample(times, tuple(zip(_LABELS, labels, strict=True))) for labels, times in sorted(totals.items())),
    )
    yield Metric(
        "plait_audit_entries_dropped_total",
        "counter",
        "Access-log entries beyond the limit of their stream.",
        (Sample(record.dropped),),
    )


def _labels(key: CountKey) -> tuple[str, ...]:
    policies = ",".join(f"{blame.object.namespace}/{blame.object.name}" for blame in key.policies)
    return (key.source, key.destination, policies, key.kind.value if key.kind is not None else OTHERS)


def _refusal(each: Numbered) -> Json:
    known = each.refusal
    return {
        "number": each.number,
        "time": known.when.isoformat(),
        "kind": known.kind.value,
        "stage": known.stage.value,
        "why": known.why,
        "from": _party(known.source),
        "to": _party(known.destination),
        "request": known.request,
        "answer": known.answer,
        "protocol": known.protocol,
        "method": known.method,
        "host": known.host,
        "path": known.path,
        "port": known.port,
        "status": known.status,
        "request_id": known.request_id,
        "policies": [_blame(blame) for blame in known.policies],
    }


def _party(party: Party) -> Json:
    return {
        "label": party.label,
        "namespace": party.namespace,
        "workload": party.workload,
        "pod": party.pod,
        "address": party.address,
        "principal": party.principal,
        "proven": party.proven,
    }


def _blame(blame: Blame) -> Json:
    return {
        "object": str(blame.object),
        "kind": blame.object.kind,
        "namespace": blame.object.namespace,
        "name": blame.object.name,
        "rule": blame.rule,
        "origin": blame.origin,
    }
