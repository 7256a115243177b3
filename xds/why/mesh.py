"""What must be known of a mesh to answer what becomes of a call in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xds.failed.call import FailedCalls
from xds.model.problem import Problem
from xds.model.refs import ObjectRef, Origin
from xds.model.snapshot import Snapshot
from xds.why.target import Candidate

Failures = Callable[[Sequence[str], str], Sequence[FailedCalls]]
"""What failed lately as the proxies of pods (``shop/web-1``) told it; of one request, if its id is given."""


def no_failures(pods: Sequence[str], request_id: str) -> Sequence[FailedCalls]:
    """Nothing: of a mesh that does not run."""
    return ()


@dataclass(frozen=True, slots=True)
class KnownMesh:
    """A mesh: what it is, its pods, where an object stands, and what is wrong with them.

    ``routers`` are the pods of gateways, by namespace and name; ``made_up_addresses`` those (``shop/web-1``) that do
    not run, so that their address is made up.
    """

    snapshot: Snapshot
    pods: Iterable[Candidate]
    routers: frozenset[tuple[str, str]]
    origin_of: Callable[[ObjectRef], Origin | None]
    problems: Iterable[Problem] = ()
    made_up_addresses: frozenset[str] = frozenset()
    failures: Failures = no_failures
