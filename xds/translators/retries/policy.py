"""What retries mean: which failures are tried again, how often, and where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

PROVEN_UNEXECUTED: Final = ("connect-failure", "refused-stream", "reset-before-request")
"""Failures of which the proxy knows that no application saw the request, so that trying again repeats nothing."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed request is tried again; ``attempts`` are the tries after the first, 0 is never.

    ``on`` holds Envoy's words and ``statuses`` answers that count as failures, both sorted. ``per_try_timeout`` 0 is
    none; ``backoff`` is the pause before the first retry, grows with each, and is Envoy's 25 ms when 0.
    """

    attempts: int
    on: tuple[str, ...] = PROVEN_UNEXECUTED
    statuses: tuple[int, ...] = ()
    per_try_timeout: timedelta = timedelta(0)
    backoff: timedelta = timedelta(0)
    avoid_previous_hosts: bool = True
    other_localities: bool = False

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole, as in Istio."""
        return self


DEFAULT: Final = RetryPolicy(attempts=2)
"""Where nobody says otherwise. Istio's also retries gRPC's unavailable and cancelled, which may have been executed."""

INBOUND_DEFAULT: Final = RetryPolicy(attempts=2, on=("reset-before-request",), avoid_previous_hosts=False)
"""From a sidecar to its own application, which is the only host there is."""
