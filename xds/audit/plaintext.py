"""Who still talks plaintext, from what sidecars have counted; and whether a namespace can do without."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from xds.audit.seen import Reading, Workloads


class Plaintext(NamedTuple):
    """A caller in plaintext at a port of a workload; an empty ``address`` for callers that are not told apart."""

    destination: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class StillPlaintext:
    """A caller in plaintext: how often since the sidecars started, and how often within the window.

    ``remains`` is whether it runs now and has no sidecar, so that it will call in plaintext again if it calls.
    """

    who: Plaintext
    label: str
    times: int
    in_window: int
    remains: bool

    @property
    def stands_in_the_way(self) -> bool:
        """Whether it would be refused if plaintext were: it has just called, or it can call in no other way."""
        return self.in_window > 0 or self.remains


def totals(readings: Iterable[Reading], workloads: Workloads) -> Counter[Plaintext]:
    """How often which caller came in plaintext, the pods of a workload together."""
    found = Counter[Plaintext]()
    for reading in readings:
        known = workloads.pod(reading.namespace, reading.pod)
        destination = known.label if known is not None else f"{reading.namespace}/{reading.pod}"
        for seen in reading.plaintext:
            found[Plaintext(destination, seen.caller, seen.port)] += seen.times
        if reading.more_plaintext:
            found[Plaintext(destination, "", 0)] += reading.more_plaintext
    return found


def compared(
    before: Mapping[Plaintext, int], after: Mapping[Plaintext, int], workloads: Workloads
) -> list[StillPlaintext]:
    """Who was seen in plaintext; those that stand in the way of STRICT first, then by how often.

    A count that is lower than before is of a sidecar that has started anew: all of it is within the window.
    """
    found = []
    for who, times in after.items():
        earlier = before.get(who, 0)
        known = workloads.at(who.address)
        found.append(
            StillPlaintext(
                who=who,
                label=workloads.caller(who.address) if who.address else "more callers, too many to be told apart",
                times=times,
                in_window=times - earlier if times >= earlier else times,
                remains=known is not None and not known.sidecar,
            )
        )
    return sorted(found, key=lambda each: (not each.stands_in_the_way, -each.times, each.who))
