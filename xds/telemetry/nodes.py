"""Who calls and is called, as the graph has them, and the edges between: values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

UNKNOWN: Final = "unknown"
OTHERS: Final = "others"
"""The name of who stands for all those that came when there were enough."""

Kind = Literal["workload", "external", "unknown"]


@dataclass(frozen=True, slots=True)
class Node:
    """A workload by its namespace and name, something outside of the mesh by its host, or nobody knows who."""

    kind: Kind = UNKNOWN
    namespace: str = ""
    name: str = ""

    @property
    def id(self) -> str:
        """``shop/web``, ``external:example.org``, ``unknown`` or, of a service without endpoints, ``unknown:HOST``."""
        if self.kind == "workload":
            return f"{self.namespace}/{self.name}"
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @classmethod
    def of(cls, node_id: str) -> Node:
        """The node of that id."""
        kind, colon, name = node_id.partition(":")
        if kind == "external" and colon:
            return cls("external", "", name)
        if kind == UNKNOWN:
            return cls(UNKNOWN, "", name)
        namespace, _, name = node_id.partition("/")
        return cls("workload", namespace, name)


class Key(NamedTuple):
    """An edge: who called whom (ids of nodes), for which service (its host, ``""`` for none), in which protocol."""

    source: str
    destination: str
    service: str
    protocol: str

    def of_namespace(self, namespace: str) -> bool:
        """Whether one of its ends is in that namespace."""
        before = f"{namespace}/"
        return self.source.startswith(before) or self.destination.startswith(before)
