"""What the conditions of an object say: whether it is accepted, and how many proxies use it. Values only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xds.controllers.live_count import LiveCount
from xds.model.problem import Problem, Severity
from xds.model.revision import DEFAULT_REVISION

ACCEPTED: Final = "Accepted"
LIVE: Final = "Live"
REJECTED: Final = "Rejected"
"""The reason of ``Live`` where a proxy has refused something."""

_MOST_MESSAGE: Final = 2000
_MOST_PROXIES: Final = 3

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; ``generation`` is the object's that it is about, 0: the one that is there when it is written."""

    type: str
    true: bool
    reason: str
    message: str
    generation: int = 0

    @property
    def status(self) -> str:
        """As the API has it."""
        return "True" if self.true else "False"


Conditions = tuple[Condition, ...]


def prefix_of(revision: str) -> str:
    """What the types of a revision's conditions begin with: two control planes must not write the same ones."""
    return "" if revision == DEFAULT_REVISION else f"{revision}.plait/"


def types_of(prefix: str) -> tuple[str, str]:
    """The types of the conditions with that prefix."""
    return f"{prefix}{ACCEPTED}", f"{prefix}{LIVE}"


def conditions(
    problems: Sequence[Problem], count: LiveCount | None, *, generation: int = 0, prefix: str = ""
) -> Conditions:
    """The conditions of an object: ``generation`` is that of its content in force, 0 where none ever was.

    ``Live`` is left out, hence left as it is, where the count is of an older content than that.
    """
    errors = [each for each in problems if each.severity is Severity.ERROR]
    found = (_refused(errors, prefix) if errors else _accepted(problems, generation, prefix),)
    if errors and count is not None and generation and not count.total:
        # Nobody uses it because it is refused: who waits for it to be live must not be told that it is.
        return (*found, Condition(f"{prefix}{LIVE}", False, "NotAccepted", str(count), generation))
    if count is None or not generation:
        return found if generation else (*found, Condition(f"{prefix}{LIVE}", False, "NotAccepted", "Live 0 of 0"))
    return found if count.generation < generation else (*found, _live(count, generation, prefix))


def _accepted(problems: Iterable[Problem], generation: int, prefix: str) -> Condition:
    warnings = [each for each in problems if each.severity is Severity.WARNING]
    return Condition(f"{prefix}{ACCEPTED}", True, "Accepted", _sentences(warnings), generation)


def _refused(errors: Sequence[Problem], prefix: str) -> Condition:
    codes = ",".join(sorted({each.code for each in errors}))
    return Condition(f"{prefix}{ACCEPTED}", False, codes, _sentences(errors))


def sentence(problem: Problem) -> str:
    """The problem in words, with its field, without the name of the object that says it."""
    field = problem.at.dotted
    return f"{field}: {problem.message} [{problem.code}]" if field else f"{problem.message} [{problem.code}]"


def _sentences(problems: Iterable[Problem]) -> str:
    return shortened("; ".join(sorted({sentence(each) for each in problems})))


def shortened(text: str) -> str:
    """``text``, cut where it is too long for people, and without what would move the cursor of their terminals."""
    cut = text if len(text) <= _MOST_MESSAGE else f"{text[: _MOST_MESSAGE - 4]} ..."
    return cut if cut.isprintable() else "".join(each if each.isprintable() else "?" for each in cut)


def stated(found: Json) -> list[Json]:
    """The conditions of an object of the API, in whose status others write, too: what is none is left out."""
    status = found.get("status")
    known = status.get("conditions") if isinstance(status, dict) else None
    every = known if isinstance(known, list) else []
    return [each for each in every if isinstance(each, dict) and isinstance(each.get("type"), str)]


def _live(count: LiveCount, generation: int, prefix: str) -> Condition:
    kind, text = f"{prefix}{LIVE}", str(count)
    if count.live == count.total:
        return Condition(kind, True, "AllProxies" if count.total else "NoProxies", text, generation)
    if not count.rejections:
        return Condition(kind, False, "Waiting", text, generation)
    by: dict[str, str] = {}
    for each in count.rejections:
        by.setdefault(each.proxy, each.reason)
    told = [f"{proxy}: {' '.join(reason.split())}" for proxy, reason in list(by.items())[:_MOST_PROXIES]]
    more = f"; and by {len(by) - _MOST_PROXIES} more" if len(by) > _MOST_PROXIES else ""
    return Condition(kind, False, REJECTED, shortened(f"{text}; rejected by {'; '.join(told)}{more}"), generation)


def merged(found: Sequence[Json], wanted: Conditions, generation: int, now: str) -> list[Json] | None:
    """The list of conditions with ours as ``wanted``, all others as they are; None where nothing would be different.

    ``generation`` is the object's, ``now`` the time as the API writes it: for those that turn from true to false, or
    back.
    """
    ours, changed = {each.type: each for each in wanted}, False
    result: list[Json] = []
    for known in found:
        mine = ours.pop(known.get("type", ""), None)
        if mine is None or says(known, mine, generation):
            result.append(known)
        else:
            turned = known.get("status") != mine.status or not known.get("lastTransitionTime")
            result.append(_plain(mine, generation, now if turned else known["lastTransitionTime"]))
            changed = True
    result += [_plain(mine, generation, now) for mine in ours.values()]
    return result if changed or ours else None


def says(known: Json, wanted: Condition, generation: int) -> bool:
    """Whether a condition of the API says that; one without a generation has it dropped by its kind's schema."""
    if (known.get("status"), known.get("reason"), known.get("message", "")) != (
        wanted.status,
        wanted.reason,
        wanted.message,
    ):
        return False
    observed = known.get("observedGeneration")
    return observed is None or _whole(observed) == (wanted.generation or generation)


def read(found: Json) -> Condition:
    """A condition of the API as ours."""
    true, generation = found.get("status") == "True", _whole(found.get("observedGeneration") or 0)
    reason, message = str(found.get("reason", "")), str(found.get("message", ""))
    return Condition(found.get("type", ""), true, reason, message, generation)


def _whole(value: object) -> int:
    """A number that is text in the schemas of some; -1 for what is none."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else -1
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _plain(condition: Condition, generation: int, since: str) -> Json:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "lastTransitionTime": since,
        "observedGeneration": condition.generation or generation,
    }
