"""What is asked of the prover, and what it answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Final

from xds.wire.resource import Resource
from xds.wire.type_urls import CLUSTER, EXTENSION, LISTENER, ROUTE, VIRTUAL_HOST

PROVABLE: Final = frozenset({CLUSTER, LISTENER, EXTENSION, ROUTE, VIRTUAL_HOST})
"""The types that an Envoy is asked about. Load assignments are decided by rules alone; secrets never leave us."""


class Outcome(Enum):
    """What is known of a candidate."""

    PROVEN = "proven"
    REFUSED = "refused"
    UNPROVEN = "unproven"  # nobody could be asked


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome; ``reason`` is Envoy's own word where it refuses."""

    outcome: Outcome
    reason: str = ""

    @property
    def refused(self) -> bool:
        """Whether it must not be sent to anybody."""
        return self.outcome is Outcome.REFUSED


PROVEN: Final = Verdict(Outcome.PROVEN)
UNPROVEN: Final = Verdict(Outcome.UNPROVEN)


@dataclass(frozen=True)
class Candidate:
    """One content that is to be proven: the bytes of a resource of a type, whatever its name."""

    type_url: str
    body: bytes
    name: str = ""

    @classmethod
    def of(cls, resource: Resource) -> Candidate:
        """The content of a resource."""
        return cls(resource.type_url, resource.body, resource.name)

    @cached_property
    def key(self) -> bytes:
        """The hash of the content, under which its proof is kept."""
        digest = hashlib.blake2b(self.body, digest_size=16, person=b"plait-proof")
        digest.update(self.type_url.encode())
        return digest.digest()
