"""What a redirect means: the parts of the new location that differ from the request's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client elsewhere; what is empty or 0 stays as in the request.

    Shape: at most one of ``path`` (the whole path) and ``prefix`` (in place of the matched prefix) is set; ``status``
    is one of 301, 302, 303, 307, 308.
    """

    status: int = 301
    scheme: str = ""
    authority: str = ""
    port: int = 0
    path: str = ""
    prefix: str = ""

    @property
    def answers(self) -> bool:
        """A redirect is an answer: its route needs no destination."""
        return True

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self
