"""What this library raises. Each text says what is wrong, where, and what would help; none ever holds a key."""

from __future__ import annotations


class CaError(Exception):
    """Any of those below."""


class Refused(CaError):
    """What was asked for is not signed: a malformed identity, a weak key, a lifetime out of range."""


class Unusable(CaError):
    """A certificate authority that cannot sign: ``problems`` has one sentence for each thing that is wrong with it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Conflict(CaError):
    """Somebody else saved a state since this one was loaded: load it again."""


class WrongPhase(CaError):
    """The root rotation stands where this cannot be done."""
