"""Findings about what users wrote: the only form that bad input takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from xds.model.refs import FieldRef, Origin


class Severity(Enum):
    """How bad a finding is; the words are those of ``plait analyze``."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding: where, a stable code, one sentence that says what is wrong and what would be right.

    ``origin`` is the file and the line of the field itself, where the source knows it.
    """

    at: FieldRef
    code: str
    message: str
    severity: Severity = Severity.ERROR
    origin: Origin | None = None

    def __str__(self) -> str:
        text = f"{self.at}: {self.message} [{self.code}]"
        return f"{self.origin}: {text}" if self.origin else text


@dataclass(slots=True)
class Problems:
    """Findings in the order in which they were made; what decoders add to while they read one object."""

    _found: list[Problem] = field(default_factory=list)

    def add(self, at: FieldRef, code: str, message: str, severity: Severity = Severity.ERROR) -> None:
        """Note one finding."""
        self._found.append(Problem(at, code, message, severity))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def errors(self) -> bool:
        """Whether any finding is an error, so that the object must not replace its last good version."""
        return any(problem.severity is Severity.ERROR for problem in self._found)

    def freeze(self) -> tuple[Problem, ...]:
        """The findings as a value."""
        return tuple(self._found)
