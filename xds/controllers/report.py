"""What one control plane knows of its own proxies, as text of bounded size for the one that leads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from xds.controllers.live_count import LiveCount, RejectedBy
from xds.model.refs import ObjectRef

MOST_BYTES: Final = 900_000
"""An object of the API may have 1 MiB, its metadata included."""

_MOST_REASON: Final = 300
_REJECTIONS: Final = (5, 1, 0)  # told of each object, in reports that become too long otherwise


class Unreadable(Exception):
    """The text is no report."""


@dataclass(frozen=True, slots=True)
class Report:
    """The counts by object, those that nobody has anything of included; ``ca`` is for who rotates roots: plain JSON.

    ``dropped``: so many objects are left out, as it would be too long.
    """

    counts: Mapping[ObjectRef, LiveCount]
    ca: Mapping[str, Any] = field(default_factory=dict)
    dropped: int = 0


def encode(report: Report, most_bytes: int = MOST_BYTES) -> tuple[str, bool]:
    """``report`` as compact JSON, and whether it is shortened.

    Where it is too long, rejections go first, then objects, the last ones.
    """
    counts = dict(sorted(report.counts.items()))
    text = _text(counts, report, _REJECTIONS[0])
    if len(text) <= most_bytes:
        return text, False
    for most in _REJECTIONS[1:]:
        text = _text(counts, report, most)
        if len(text) <= most_bytes:
            return text, True
    while counts and len(text) > most_bytes:
        kept = int(len(counts) * min(0.95, most_bytes / len(text)))
        counts = dict(list(counts.items())[:kept])
        text = _text(counts, report, 0)
    return text, True


def _text(counts: Mapping[ObjectRef, LiveCount], report: Report, most_rejections: int) -> str:
    objects: dict[str, dict[str, dict[str, list[int]]]] = {}
    rejections: list[list[str]] = []
    for ref, count in counts.items():
        kind = f"{ref.group}/{ref.kind}"
        of_namespace = objects.setdefault(kind, {}).setdefault(ref.namespace, {})
        of_namespace[ref.name] = [count.live, count.total, count.generation]
        for each in count.rejections[:most_rejections]:
            reason = each.reason[:_MOST_REASON]
            rejections.append([kind, ref.namespace, ref.name, each.proxy, reason, each.resource])
    dropped = report.dropped + len(report.counts) - len(counts)
    whole = {"objects": objects, "rejections": rejections, "ca": dict(report.ca), "dropped": dropped}
    return json.dumps(whole, separators=(",", ":"))  # ASCII: characters are bytes


def decode(text: str) -> Report:
    """The report that ``text`` is. Errors: Unreadable."""
    try:
        whole = json.loads(text)
        told: dict[ObjectRef, list[RejectedBy]] = {}
        for kind, namespace, name, proxy, reason, resource in whole["rejections"]:
            told.setdefault(_ref(kind, namespace, name), []).append(RejectedBy(proxy, reason, resource))
        counts = {
            (ref := _ref(kind, namespace, name)): LiveCount(
                int(live), int(total), tuple(told.get(ref, ())), int(generation)
            )
            for kind, namespaces in whole["objects"].items()
            for namespace, names in namespaces.items()
            for name, (live, total, generation) in names.items()
        }
        return Report(counts, dict(whole["ca"]), int(whole["dropped"]))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _ref(kind: str, namespace: str, name: str) -> ObjectRef:
    group, _, word = kind.partition("/")
    return ObjectRef(group, word, namespace, name)


def summed(reports: Iterable[Report]) -> dict[ObjectRef, LiveCount]:
    """The counts of all proxies together.

    An object that one of the reports does not have is counted, but of no known generation: that control plane may be
    behind.
    """
    found: dict[ObjectRef, LiveCount] = {}
    every = list(reports)
    for report in every:
        for ref, count in report.counts.items():
            known = found.get(ref)
            found[ref] = count if known is None else known + count
    for ref, count in found.items():
        if any(ref not in report.counts for report in every):
            found[ref] = LiveCount(count.live, count.total, count.rejections)
    return found
