"""What retries mean: which failures are tried again, how often, and where."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Self

PROVEN_UNEXECUTED: Final = ("connect-failure", "refused-stream", "reset-before-request")
"""Failures of which the proxy knows that no application saw the request, so that trying again repeats nothing."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed request is tried again; ``attempts`` are the tries after the first, 0 is never.

    ``on`` holds Envoy's words and ``statuses`` answers that count as failures, both sorted. ``per_try_timeout`` 0 is
    none; ``backoff`` is the pause before the first retry, grows with each, and is Envoy's 25 ms when 0.
    ``avoid_previous_hosts`` None is yes, but where requests are hashed to a host: there a retry stays with it.
    ``counted`` is whether whoever is called is told which try a request is; a request that is such a retry already is
    not tried again by anybody further on, so that the tries of a chain of services add up and do not multiply.
    """

    attempts: int
    on: tuple[str, ...] = PROVEN_UNEXECUTED
    statuses: tuple[int, ...] = ()
    per_try_timeout: timedelta = timedelta(0)
    backoff: timedelta = timedelta(0)
    avoid_previous_hosts: bool | None = None
    other_localities: bool = False
    counted: bool = True

    def staying(self) -> RetryPolicy:
        """The policy where requests are hashed to a host."""
        return replace(self, avoid_previous_hosts=False) if self.avoid_previous_hosts is None else self

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole, as in Istio."""
        return self


DEFAULT: Final = RetryPolicy(attempts=2)
"""Where nobody says otherwise. Istio's also retries gRPC's unavailable and cancelled, which may have been executed."""

INBOUND_DEFAULT: Final = RetryPolicy(
    attempts=2, on=("reset-before-request",), avoid_previous_hosts=False, counted=False
)
"""From a sidecar to its own application, which is the only host there is."""
