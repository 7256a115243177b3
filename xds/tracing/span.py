"""One generation as a tree of spans: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from xds.history.generation import Answered, Generation, Stage

_MOST_OBJECTS: Final = 20
_MOST_TEXT: Final = 300

Value = str | int | float | bool | Sequence[str]


@dataclass(frozen=True, slots=True)
class Happened:
    """Something within a span. Units: seconds of the monotonic clock."""

    name: str
    at: float
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of work; ``error`` says why it went wrong, empty when it did not. Units as ``Happened``."""

    name: str
    began: float
    ended: float
    attributes: Mapping[str, Value] = field(default_factory=dict)
    happened: tuple[Happened, ...] = ()
    below: tuple[Span, ...] = ()
    error: str = ""


def trace(generation: Generation) -> Span:
    """The trace of a published generation.

    Below its root: ``read`` (a source read and decoded the objects, where it says), ``wait`` (it was told,
    others are gathered or worked in before it), the stages of the work (``build`` a snapshot, ``wave`` what it
    concerns, ``translate``, ``proof``, ``publish``), and ``push``: until the last proxy has answered, or, of a
    generation that is not settled, until the last that has.
    """
    published = generation.published or 0.0
    told = published if generation.told is None else generation.told
    stages = [each for each in generation.stages if each.began >= told]  # others are of proxies that came before
    began = min((each.began for each in stages), default=published)
    ended = max(published, generation.settled or published, *(each.at for each in generation.latest))
    first = [] if generation.read is None else [_of_stage(generation.read)]
    first += [Span("wait", told, began)] if began > told else []
    return Span(
        "change",
        min(told, began, *(each.began for each in first)),
        ended,
        _attributes(generation),
        below=(*first, *map(_of_stage, stages), *_push(generation, published, ended)),
        error=_error(generation),
    )


def _of_stage(stage: Stage) -> Span:
    return Span(stage.name, stage.began, stage.ended)


def _push(generation: Generation, published: float, ended: float) -> Iterable[Span]:
    """What proxies were sent and made of it: no span for each of them, there may be thousands."""
    if not generation.proxies:
        return
    attributes = _counts(generation)
    reasons = [str(each["reason"]) for each in generation.nacks]
    error = f"refused by a proxy: {reasons[0]}"[:_MOST_TEXT] if reasons else _silent(generation)
    yield Span("push", published, ended, attributes, tuple(_answers(generation)), error=error)


def _answers(generation: Generation) -> Iterable[Happened]:
    first, latest = generation.first, list(generation.latest)
    if first is not None and first not in latest:
        yield _answer("first ack", first)
    for number, each in enumerate(latest):
        yield _answer("last ack" if number == len(latest) - 1 else "ack", each)
    for at, nack in zip(generation.nacked, generation.nacks, strict=True):
        told = {key: str(nack[key])[:_MOST_TEXT] for key in ("proxy", "type", "resource", "reason")}
        yield Happened("nack", at, told)


def _answer(name: str, answered: Answered) -> Happened:
    return Happened(name, answered.at, {"proxy": answered.group.rpartition("#")[0]})


def _attributes(generation: Generation) -> Mapping[str, Value]:
    names = [f"{each.what} {ref}" for ref, each in list(generation.objects.items())[:_MOST_OBJECTS]]
    return {
        "plait.generation": generation.number,
        "plait.objects": names,
        "plait.objects.count": len(generation.objects) + generation.more_objects,
        "plait.quiet": generation.quiet,
        "plait.refused": len(generation.refused) + generation.more_refused,
        **{f"plait.resources.{kind}": count for kind, count in sorted(generation.resources.items())},
        **_counts(generation),
    }


def _counts(generation: Generation) -> Mapping[str, Value]:
    return {
        "plait.proxies": generation.proxies,
        "plait.proxies.waiting": len(generation.groups),
        "plait.nacks": len(generation.nacks) + generation.more_nacks,
        "plait.responses": generation.responses,
        "plait.bytes": generation.sent_bytes,
    }


def _error(generation: Generation) -> str:
    if generation.nacks:
        return f"refused by a proxy: {generation.nacks[0]['reason']}"[:_MOST_TEXT]
    if generation.refused:
        return f"sent to nobody: {generation.refused[0]}"[:_MOST_TEXT]
    return _silent(generation)


def _silent(generation: Generation) -> str:
    return f"{len(generation.groups)} proxies have not answered" if generation.groups else ""
