"""Findings as ``plait analyze`` lists them: plain values in a stable shape, and which of them are suppressed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from xds.model.problem import Problem, Severity

Listed = Mapping[str, str]

RANK: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


def listed(problem: Problem) -> dict[str, str]:
    """The finding as ``-o json`` has it: level, code, object, field, message, origin; ``""`` where there is none."""
    return {
        "level": problem.severity.value,
        "code": problem.code,
        "object": str(problem.at.object),
        "field": problem.at.dotted,
        "message": problem.message,
        "origin": str(problem.origin) if problem.origin else "",
    }


@dataclass(frozen=True, slots=True)
class Suppression:
    """Findings not wanted: of code ``code`` about ``kind`` ``name.namespace``; ``*`` and ``?`` match as in a shell."""

    code: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Suppression:
        """The suppression written ``CODE=KIND NAME.NS`` (istioctl's form). ValueError when it is not."""
        code, equals, resource = text.partition("=")
        kind, _, name = resource.strip().partition(" ")
        if not (equals and code and kind and name):
            raise ValueError(f"{text!r} must be CODE=KIND NAME.NAMESPACE, such as 'host.unknown=VirtualService *.shop'")
        return cls(code.strip(), kind, name.strip())

    def covers(self, found: Listed) -> bool:
        """Whether the finding is one of these."""
        kind, _, rest = found["object"].partition(" ")
        namespace, slash, name = rest.rpartition("/")
        label = f"{name}.{namespace}" if slash else name
        return fnmatchcase(found["code"], self.code) and fnmatchcase(kind, self.kind) and fnmatchcase(label, self.name)


def shown(found: Iterable[Listed], suppressions: Iterable[Suppression], threshold: Severity) -> list[Listed]:
    """The findings of at least that severity that no suppression covers, in their order."""
    unwanted = tuple(suppressions)
    return [
        one
        for one in found
        if RANK[Severity(one["level"])] >= RANK[threshold] and not any(rule.covers(one) for rule in unwanted)
    ]
