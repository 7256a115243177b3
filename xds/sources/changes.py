"""What sources say: the whole of what they hold, or what has changed in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from xds.model.object import Object
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef, Origin

AuthoredObject = Object[Any]
"""An object of any kind; sources do not look into it."""

ProblemsByPlace = Mapping[str, tuple[Problem, ...]]
"""Findings by the place they were made at (a file, an object): new findings of a place replace its old ones."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Everything that a source holds; what it held before and is not here is gone.

    Shape: ``kept`` are objects that are there but cannot be read: their last good version stays.
    """

    source: str
    objects: tuple[AuthoredObject, ...]
    kept: frozenset[ObjectRef] = frozenset()
    problems: ProblemsByPlace = field(default_factory=dict)
    began: float | None = field(default=None, compare=False)
    """When reading it began, in seconds of the monotonic clock; None where nobody says."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What is new, different or gone in a source. An object that became unreadable is in neither list."""

    source: str
    upserts: tuple[AuthoredObject, ...] = ()
    deletes: tuple[ObjectRef, ...] = ()
    problems: ProblemsByPlace = field(default_factory=dict)
    began: float | None = field(default=None, compare=False)
    """As of ``Replaced``."""


Transaction = Replaced | Changed
"""What is to be applied together: no state between is ever served."""


@runtime_checkable
class Watching(Protocol):
    """A source that can tell how well it is being read."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def health(self) -> object:
        """How well each part of it is being read now: a dataclass of JSON types."""
        ...


class Source(Protocol):
    """Where objects come from."""

    @property
    def name(self) -> str:
        """What the source is called in logs and origins."""
        ...

    def changes(self) -> AsyncGenerator[Transaction, None]:
        """Every state of the source, for ever: one Replaced at first, and whenever it lost sight of its objects."""
        ...

    def locate(self, at: FieldRef, origin: Origin) -> Origin:
        """The place of a field of an object that was read at ``origin``, as exactly as the source can tell."""
        ...
