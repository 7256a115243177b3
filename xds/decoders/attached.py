"""Policies that attach to workloads, whatever they say: one carrier for AuthorizationPolicy, RequestAuthentication."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xds.decoders.row import Authored, Decoder, Row
from xds.kinds.target_reference import PolicyTargetReference
from xds.kinds.workload_selector import WorkloadSelector
from xds.model.labels import Labels, labels
from xds.model.refs import FieldRef
from xds.model.security import AttachedPolicy, Attachment, Target
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import Reading


def decoder(carrier: str) -> Decoder:
    """The decoder of a kind whose spec has ``selector``, ``targetRefs``, and what features read under ``carrier``."""

    def decode(authored: Authored) -> Iterator[Row]:
        spec = authored.struct.spec
        _check(authored)
        policies = decode_policies(carrier, authored.struct, authored.spec, authored.reading)
        targets = tuple(Target(each.group, each.kind, each.name) for each in _targets(spec))
        selector = selected(spec.selector, authored.spec / "selector", authored.reading)
        attachment = Attachment(authored.created, authored.ref, selector, targets)
        yield Row(Input(Table.ATTACHMENT, authored.ref.namespace), attachment)
        yield Row(Input(Table.POLICY, authored.ref), AttachedPolicy(authored.ref, policies))

    return decode


def _targets(spec: Any) -> tuple[Any, ...]:
    one = getattr(spec, "target_ref", None)
    many: tuple[Any, ...] = getattr(spec, "target_refs", ())
    return (one, *many) if one is not None else many


def selected(struct: WorkloadSelector | None, at: FieldRef, reading: Reading) -> Labels:
    """The labels that a policy's workloads have; none when it is for all.

    Problems: policy.selector-star.
    """
    stated = struct.match_labels if struct is not None else {}
    for name, value in stated.items():
        if "*" in name or "*" in value:
            message = "must be a label as pods have it; `*` is in none, and stands for nothing here"
            reading.error((at / "matchLabels").key(name), "policy.selector-star", message)
    return labels(stated)


def _check(authored: Authored) -> None:
    spec, at = authored.struct.spec, authored.spec
    if spec.selector is not None and _targets(spec):
        message = "excludes targetRefs; a policy has one of them"
        authored.found.add(at / "selector", "policy.selector-and-target", message)
    for index, target in enumerate(getattr(spec, "target_refs", ())):
        _check_target(target, at / "targetRefs" / index, authored.reading)
    if (one := getattr(spec, "target_ref", None)) is not None:
        _check_target(one, at / "targetRef", authored.reading)


def _check_target(target: PolicyTargetReference, at: FieldRef, reading: Reading) -> None:
    if target.namespace not in ("", reading.namespace):
        message = f"must be {reading.namespace}, the policy's own, or left out, is {target.namespace}"
        reading.error(at / "namespace", "policy.target-namespace", message)
    elif target.kind != "Gateway":
        message = f"must be Gateway, as policies by name are for the routers of those, is {target.kind}: nobody has it"
        reading.warning(at / "kind", "policy.target", message)
