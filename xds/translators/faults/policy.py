"""What injected faults mean: which share of the requests is held up, and which is answered with an error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from xds.model.quantity import NEVER, Percent


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause before a request goes on, and the share of requests that get one."""

    pause: timedelta
    share: Percent = NEVER


@dataclass(frozen=True, slots=True)
class Abort:
    """An error in place of the answer, and the share of requests that get one.

    Shape: ``status`` is an HTTP status, or 0 where ``grpc_status`` is a gRPC status code.
    """

    status: int = 0
    grpc_status: int = 0
    share: Percent = NEVER


@dataclass(frozen=True, slots=True)
class Faults:
    """What is done to requests on purpose; a request may get both."""

    delay: Delay | None = None
    abort: Abort | None = None

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self
