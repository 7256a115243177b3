"""Names and authored objects as they stand in a proxy's resources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The parts of ``direction|port|subset|host``; another name is all host."""

    direction: str
    port: str
    subset: str
    host: str

    @classmethod
    def parse(cls, name: str) -> ClusterName:
        """The parts of a cluster's name. Inbound ones may lack the host."""
        parts = name.split("|")
        if len(parts) != _PARTS:
            return cls("", "", "", name)
        return cls(parts[0], parts[1], parts[2], parts[3])


def authored(resource: Mapping[str, Any], kind: str, provenance: Iterable[str]) -> list[str]:
    """The objects of ``kind`` behind a resource, as ``name.namespace``.

    From the resource's own metadata (``istio.config``, as istio writes it), else from its provenance.
    """
    config = resource.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    words = "".join(part if part.islower() else f"-{part.lower()}" for part in kind).lstrip("-")
    head, found, name = str(config).rpartition(f"/{words}/")
    if found:
        return [f"{name}.{head.rpartition('/')[2]}"]
    names = [text.removeprefix(f"{kind} ") for text in provenance if text.startswith(f"{kind} ")]
    return [f"{name}.{namespace}" for namespace, _, name in (text.rpartition("/") for text in names)]
