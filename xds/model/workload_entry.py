"""Workloads that are no pods: a machine, or an address outside of the mesh, as a WorkloadEntry says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from xds.model.endpoint import NOWHERE, Locality
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef

WELL: Final = "networking.plait.dev/well"
"""The annotation of an entry that says, with ``false``, that its proxy has found it not to be well."""


@dataclass(frozen=True, slots=True)
class WorkloadEntry:
    """One endpoint of every service of its namespace that selects its labels.

    ``address`` is an IP address, a DNS name, ``unix://`` and a path, or empty where only a network's gateway leads to
    it; ``ports`` are its own by the service port's name; ``healthy`` is what its proxy last said.
    """

    ref: ObjectRef
    address: str
    labels: Labels = NO_LABELS
    ports: tuple[tuple[str, int], ...] = ()
    locality: Locality = NOWHERE
    weight: int = 1
    service_account: str = ""
    network: str = ""
    healthy: bool = True
    created: str = ""

    def port(self, name: str) -> int:
        """Its port of that name; 0 when there is none."""
        return next((number for known, number in self.ports if known == name), 0)
