"""How well a cluster is being read, as a value for pages and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KindHealth:
    """What is known of one kind.

    Shape: ``served`` is the version that is read, ``""`` while the API has none; ``synced`` once it was listed, or was
    found not to be served; ``doubted`` are objects that are kept although a list lacked them; ``problem`` is why it
    cannot be read now.
    Units: ``last_contact_s`` is the age of the API server's last word on the kind (an event, a bookmark, a list); None
    before the first.
    """

    served: str = ""
    synced: bool = False
    objects: int = 0
    doubted: int = 0
    last_contact_s: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class KubeHealth:
    """What is known of each kind, by its name in the API (``virtualservices.networking.istio.io``)."""

    kinds: Mapping[str, KindHealth]

    @property
    def synced(self) -> bool:
        """Whether all kinds have been listed once, so that what is missing does not exist."""
        return all(kind.synced for kind in self.kinds.values())
