"""What rewrites mean: the path and the host that a forwarded request gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class PathRewrite:
    r"""A new path: ``prefix`` in place of what the match matched, or what ``regex`` finds replaced by ``substitution``.

    Shape: one of ``prefix`` and ``regex`` is empty; ``\1`` in ``substitution`` is the first group. After an exact or a
    regex match ``prefix`` is the whole new path; the query stays as it is.
    """

    prefix: str = ""
    regex: str = ""
    substitution: str = ""

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self


@dataclass(frozen=True, slots=True)
class HostRewrite:
    """A new Host header (``:authority``)."""

    authority: str

    def merge(self, parent: Self) -> Self:
        """This policy: a share's host wins over its route's."""
        return self
