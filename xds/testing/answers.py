"""What came back to the client, and what to make of many answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from math import exp, lgamma, log, log1p
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as the client saw it.

    ``headers`` have lower-case names, repeated ones joined by a comma and a space; ``connection`` numbers the client's
    connections of one call, from 0; ``error`` says why there is no answer (``status`` is 0 then).
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    elapsed: timedelta = timedelta(0)
    connection: int = 0
    error: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Answer:
        """The answer that the client program has told."""
        headers: dict[str, str] = {}
        for raw, value in told.get("headers", ()):
            name = raw.lower()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return cls(
            status=told.get("status", 0),
            headers=headers,
            body=told.get("body", ""),
            elapsed=timedelta(seconds=told.get("elapsed_s", 0)),
            connection=told.get("connection", 0),
            error=told.get("error", ""),
        )

    @property
    def echo(self) -> Mapping[str, Any]:
        """What ``plait echo`` said: who it is and what it saw; AssertionError when somebody else answered."""
        try:
            facts: Mapping[str, Any] = json.loads(self.body)
        except ValueError:
            raise AssertionError(f"no answer of plait echo: {self}") from None
        return facts

    @property
    def pod(self) -> str:
        """The pod that answered."""
        return str(self.echo["pod"])

    @property
    def seen(self) -> Mapping[str, str]:
        """The request's headers as the pod saw them."""
        headers: Mapping[str, str] = self.echo["headers"]
        return headers


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over TCP, a websocket or gRPC.

    ``messages`` are lines, frames or gRPC messages; ``closed`` that the other side ended the connection; ``code`` is
    the gRPC status by name, ``details`` its text, ``metadata`` what came with it (HTTP headers for a websocket).
    """

    messages: tuple[str, ...] = ()
    closed: bool = False
    elapsed: timedelta = timedelta(0)
    error: str = ""
    code: str = ""
    details: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Reply:
        """The reply that the client program has told."""
        return cls(
            messages=tuple(told.get("messages", ())),
            closed=told.get("closed", False),
            elapsed=timedelta(seconds=told.get("elapsed_s", 0)),
            error=told.get("error", ""),
            code=told.get("code", ""),
            details=told.get("details", ""),
            metadata=dict(told.get("metadata", ())),
        )

    @property
    def echo(self) -> Mapping[str, Any]:
        """What ``plait echo`` said in its first message; AssertionError when there is none."""
        try:
            facts: Mapping[str, Any] = json.loads(self.messages[0])
        except (IndexError, ValueError):
            raise AssertionError(f"no answer of plait echo: {self}") from None
        return facts


def shares(answers: Iterable[Answer], key: str = "version") -> Counter[str]:
    """How many of the answers came from each ``key`` of ``plait echo`` (``version``, ``pod``, ...).

    Errors: AssertionError when one of them is none of its answers with status 200.
    """
    counted: Counter[str] = Counter()
    for answer in answers:
        assert answer.status == 200, answer
        counted[str(answer.echo[key])] += 1
    return counted


def likely(count: int, share: float, *, doubt: float = 1e-6) -> range:
    """The numbers of hits among ``count`` independent tries that are to be expected when each hits by ``share``.

    Units: ``share`` and ``doubt`` from 0 to 1; fewer or more hits than that happen with a probability of ``doubt``.
    """
    low, high = 0, count
    below = above = doubt / 2
    while (below := below - _binomial(low, count, share)) > 0:
        low += 1
    while (above := above - _binomial(high, count, share)) > 0:
        high -= 1
    return range(low, high + 1)


def _binomial(hits: int, count: int, share: float) -> float:
    if share in {0.0, 1.0}:
        return float(hits == count * share)
    ways = lgamma(count + 1) - lgamma(hits + 1) - lgamma(count - hits + 1)
    return exp(ways + hits * log(share) + (count - hits) * log1p(-share))
