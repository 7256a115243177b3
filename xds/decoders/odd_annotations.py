"""Annotations that do not do what they look like, on whatever object they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from xds.decoders.row import Authored
from xds.model.annotations import KNOWN, is_istios, must_be, near
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef

# Pods are told of by their makers, once (explain/analyze/injection.py); the others are nobody's writing.
_LEFT_OUT: Final = frozenset({"EndpointSlice", "Node", "Pod", "Secret", "ConfigMap"})


def check(authored: Authored) -> None:
    """Add what is wrong with an object's annotations to its findings."""
    metadata = getattr(authored.struct, "metadata", None)  # what we make ourselves has none
    if metadata is not None and authored.ref.kind not in _LEFT_OUT and not authored.ref.cluster:
        for each in odd(authored.ref, metadata.annotations):
            authored.found.add(each.at, each.code, each.message, each.severity)


def odd(ref: ObjectRef, annotations: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with the annotations of an object of that name: not known, not for its kind, not to be read."""
    every = FieldRef(ref, ("metadata", "annotations"))
    for key in sorted(filter(is_istios, annotations)):
        at, kinds, value = every.key(key), KNOWN.get(key), annotations[key]
        if kinds is None:
            hint = f"; did you mean {near(key)}?" if near(key) else " and has no effect"
            yield Problem(at, "annotation.unknown", f"is no annotation of Istio{hint}", Severity.WARNING)
        elif kinds and ref.kind not in kinds:
            message = f"has no effect here: it is for {' and '.join(sorted(kinds))}"
            yield Problem(at, "annotation.kind", message, Severity.WARNING)
        elif must := must_be(key, value):
            yield Problem(at, "annotation.value", f"must be {must}, is {value!r}", Severity.WARNING)
