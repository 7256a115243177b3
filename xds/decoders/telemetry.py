"""Telemetry objects: whom they are for, and what these tell of their traffic."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from xds.decoders.attached import selected
from xds.decoders.row import Authored, Row
from xds.decoders.sampled import sampled
from xds.kinds import telemetry as structs
from xds.kinds.target_reference import PolicyTargetReference
from xds.model.refs import FieldRef
from xds.model.security import Attachment, Target
from xds.model.snapshot import Input, Table
from xds.model.standard_metrics import metrics_named
from xds.model.telemetry import (
    LabelOverride,
    Logging,
    MetricOverride,
    Metrics,
    Mode,
    SpanTag,
    TagSource,
    Telemetry,
    Tracing,
)
from xds.translators.feature import Reading

_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Files and variables of whoever spells the format, which is the prover beside the control plane, too.
_OF_THE_MACHINE: Final = re.compile(r"%(FILE_CONTENT|ENVIRONMENT)\b")


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Telemetry: whom it is for under its namespace, and what it says under its name.

    Problems: telemetry.*, policy.*. Source: istio telemetry/v1alpha1 Telemetry; istio-semantics 1.11.
    """
    struct: structs.Telemetry = authored.struct
    spec, at, reading = struct.spec, authored.spec, authored.reading
    found = Telemetry(
        ref=authored.ref,
        tracing=tuple(_tracing(each, at / "tracing" / i, reading) for i, each in enumerate(spec.tracing)),
        metrics=tuple(_metrics(each, at / "metrics" / i, reading) for i, each in enumerate(spec.metrics)),
        logging=tuple(_logging(each) for each in spec.access_logging),
        sampled=sampled(struct.metadata.annotations, authored),
    )
    selector = selected(spec.selector, at / "selector", reading)
    stated = [(spec.target_ref, at / "targetRef")] if spec.target_ref is not None else []
    stated += [(each, at / "targetRefs" / index) for index, each in enumerate(spec.target_refs)]
    if spec.selector is not None and stated:
        reading.error(at / "selector", "policy.selector-and-target", "excludes targetRefs; a policy has one of them")
    targets = tuple(_targets(stated, reading))
    yield Row(
        Input(Table.TELEMETRY, authored.ref.namespace), Attachment(authored.created, authored.ref, selector, targets)
    )
    yield Row(Input(Table.POLICY, authored.ref), found)


def _targets(stated: Iterable[tuple[PolicyTargetReference | None, FieldRef]], reading: Reading) -> Iterator[Target]:
    for target, at in stated:
        if target is None:
            continue
        if target.namespace not in ("", reading.namespace):
            message = f"must be {reading.namespace}, the policy's own, or left out, is {target.namespace}"
            reading.error(at / "namespace", "policy.target-namespace", message)
        elif target.kind != "Gateway":
            message = f"must be Gateway, as policies by name are for the routers of those, is {target.kind}"
            reading.warning(at / "kind", "policy.target", f"{message}: nobody has it")
        yield Target(target.group, target.kind, target.name)


def _mode(struct: structs.TracingSelector | structs.LogSelector | structs.MetricSelector | None) -> Mode:
    return Mode(struct.mode) if struct is not None else Mode.BOTH


def _names(refs: tuple[structs.ProviderRef, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ref.name for ref in refs))


def _tracing(struct: structs.Tracing, at: FieldRef, reading: Reading) -> Tracing:
    if len(struct.providers) > 1:
        message = f"has {len(struct.providers)} providers, of which only {struct.providers[0].name} is used"
        reading.warning(at / "providers", "telemetry.one-provider", message)
    tags = tuple(span_tags(struct.custom_tags, at / "customTags", reading))
    return Tracing(
        mode=_mode(struct.match),
        providers=_names(struct.providers)[:1],
        sampling=struct.random_sampling_percentage,
        disabled=struct.disable_span_reporting,
        tags=tags or None,
        request_id_decides=struct.use_request_id_for_trace_sampling,
        istio_tags=struct.enable_istio_tags,
        propagates=None if struct.disable_context_propagation is None else not struct.disable_context_propagation,
    )


def span_tags(stated: dict[str, structs.CustomTag], at: FieldRef, reading: Reading) -> Iterator[SpanTag]:
    """The tags of spans, sorted by name. Problems: telemetry.tag, telemetry.format."""
    for name, struct in sorted(stated.items()):
        here = at.key(name)
        kinds = (struct.literal, struct.environment, struct.header, struct.formatter)
        if not name or sum(each is not None for each in kinds) != 1:
            message = "must have a name, and exactly one of literal, environment, header and formatter"
            reading.error(here, "telemetry.tag", message)
        elif struct.literal is not None:
            yield SpanTag(name, TagSource.LITERAL, struct.literal.value)
        elif struct.environment is not None:
            yield SpanTag(name, TagSource.ENVIRONMENT, struct.environment.name, struct.environment.default_value)
        elif struct.header is not None:
            if not _HEADER.fullmatch(struct.header.name):
                message = f"must be a header's name, is {struct.header.name!r}"
                reading.error(here / "header.name", "telemetry.tag", message)
            yield SpanTag(name, TagSource.HEADER, struct.header.name.lower(), struct.header.default_value)
        elif struct.formatter is not None:
            check_format(struct.formatter.value, here / "formatter.value", reading)
            yield SpanTag(name, TagSource.FORMATTER, struct.formatter.value)


def check_format(text: str, at: FieldRef, reading: Reading) -> None:
    """Note what a format must not have. Problems: telemetry.format."""
    if found := _OF_THE_MACHINE.search(text):
        reading.error(at, "telemetry.format", f"must not have %{found[1]}(...)%, which reads what is the machine's")


def _metrics(struct: structs.Metrics, at: FieldRef, reading: Reading) -> Metrics:
    overrides = tuple(_override(each, at / "overrides" / i, reading) for i, each in enumerate(struct.overrides))
    if struct.reporting_interval is not None:
        message = "is not read: bytes of connections are counted when these are over"
        reading.warning(at / "reportingInterval", "telemetry.reporting-interval", message)
    return Metrics(_names(struct.providers), overrides, struct.reporting_interval)


def _override(struct: structs.MetricsOverrides, at: FieldRef, reading: Reading) -> MetricOverride:
    match = struct.match
    if match is not None and match.metric is not None and match.custom_metric:
        message = "excludes metric; one of them is meant"
        reading.error(at / "match.customMetric", "telemetry.one-metric", message)
    metric = (match.custom_metric or match.metric or "") if match is not None else ""
    metric = "" if metric == "ALL_METRICS" else metric
    if not metrics_named(metric):
        message = f"is {metric}, which sidecars do not count: the override has no effect"
        reading.warning(at / "match", "telemetry.metric-not-counted", message)
    labels = []
    for name, override in sorted(struct.tag_overrides.items()):
        if override.operation == "UPSERT" and not override.value:
            message = "must be a CEL expression, as the label is to be set to its value"
            reading.error((at / "tagOverrides").key(name) / "value", "telemetry.label-value", message)
        if "%" in override.value:  # it becomes a part of a format, whose commands read what is the machine's
            message = f"must be a CEL expression without %, is {override.value!r}"
            reading.error((at / "tagOverrides").key(name) / "value", "telemetry.label-value", message)
        labels.append(LabelOverride(name, override.value if override.operation == "UPSERT" else None))
    return MetricOverride(metric, _mode(match), struct.disabled, tuple(labels))


def _logging(struct: structs.AccessLogging) -> Logging:
    expression = struct.filter.expression if struct.filter is not None else None
    return Logging(_mode(struct.match), _names(struct.providers), struct.disabled, expression)
