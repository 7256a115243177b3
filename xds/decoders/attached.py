"""Policies that attach to workloads, whatever they say: one carrier for AuthorizationPolicy, RequestAuthentication."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xds.decoders.row import Authored, Decoder, Row
from xds.model.labels import labels
from xds.model.security import AttachedPolicy, Attachment, Target
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies


def decoder(carrier: str) -> Decoder:
    """The decoder of a kind whose spec has ``selector``, ``targetRefs``, and what features read under ``carrier``."""

    def decode(authored: Authored) -> Iterator[Row]:
        spec = authored.struct.spec
        _check(authored, carrier)
        policies = decode_policies(carrier, authored.struct, authored.spec, authored.reading)
        targets = tuple(Target(each.group, each.kind, each.name) for each in _targets(spec))
        selector = labels(spec.selector.match_labels if spec.selector is not None else {})
        attachment = Attachment(authored.created, authored.ref, selector, targets)
        yield Row(Input(Table.ATTACHMENT, authored.ref.namespace), attachment)
        yield Row(Input(Table.POLICY, authored.ref), AttachedPolicy(authored.ref, policies))

    return decode


def _targets(spec: Any) -> tuple[Any, ...]:
    one = getattr(spec, "target_ref", None)
    many: tuple[Any, ...] = getattr(spec, "target_refs", ())
    return (one, *many) if one is not None else many


def _check(authored: Authored, carrier: str) -> None:
    spec, at = authored.struct.spec, authored.spec
    if spec.selector is not None and _targets(spec):
        kind = carrier.partition(".")[0]
        message = f"excludes targetRefs; a {kind} has one of them"
        authored.found.add(at / "selector", "policy.selector-and-target", message)
