"""The answer of the validating webhook: a verdict in the words of an AdmissionReview."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Final

import structlog

from xds.events import Event
from xds.model.problem import Problem
from xds.webhooks.review import Answer, Review, denied
from xds.webhooks.validate import Surroundings, validate

log = structlog.get_logger()

_SHOWN: Final = 50


def validating(surroundings: Callable[[], Surroundings]) -> Callable[[Review], Answer]:
    """What answers reviews of objects, judged in what ``surroundings`` says when one comes.

    It is called in threads: ``surroundings`` only takes hold of values that never change.
    """

    def answer(review: Review) -> Answer:
        verdict = validate(review.request, surroundings())
        remarks = tuple(str(each) for each in verdict.remarks)
        if not verdict.errors:
            return Answer(warnings=remarks)
        log.info(
            Event.OBJECT_DENIED,
            object=review.request.subject,
            user=review.request.user_info.username,
            codes=sorted({each.code for each in verdict.errors}),
        )
        return denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", message(verdict.errors), remarks)

    return answer


def message(errors: Iterable[Problem]) -> str:
    """All findings, one a line: object, field, what is wrong and what would be right, code."""
    lines = [str(each) for each in errors]
    more = len(lines) - _SHOWN
    return "\n".join([*lines[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
