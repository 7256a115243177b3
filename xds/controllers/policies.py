"""The objects that conditions are written for, Istio's kinds, and where the API server has them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kubernetes.client.exceptions import ApiException

from xds.controllers.rest import ABSENT, Json, Rest
from xds.decoders.build import DECODERS
from xds.kinds.authored import Authored, Kind, Stored
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.registry import BY_GROUP_KIND, KINDS
from xds.model.api_path import collection, item, root
from xds.model.refs import ObjectRef

_LOOK_AGAIN_S: Final = 30.0  # for what is not there
_LOOK_AFTER_S: Final = 600.0  # whether what is there still is
_PAGE: Final = 500


def _is_policy(struct: type[Authored]) -> bool:
    """Whether it is one of Istio's kinds that shape the mesh; the mesh's own settings are read from a ConfigMap."""
    kind = struct.KIND
    return not issubclass(struct, Stored) and struct is not MeshConfig and (kind.group, kind.name) in DECODERS


POLICY_KINDS: Mapping[tuple[str, str], Kind] = MappingProxyType(
    {(struct.KIND.group, struct.KIND.name): struct.KIND for struct in KINDS if _is_policy(struct)}
)
"""Istio's kinds that we read, by group and name."""

COUNTED_KINDS: Final = (*POLICY_KINDS, (Gateway.KIND.group, Gateway.KIND.name))
"""The kinds of whose objects it is counted how many proxies have them; a Gateway's status says it in its own words."""


def is_policy(ref: ObjectRef) -> bool:
    """Whether conditions are written for that object; not for what stands for several (``*``) or has no name."""
    return (ref.group, ref.kind) in POLICY_KINDS and ref.name not in ("", "*", "?")


@dataclass(frozen=True, slots=True)
class Served:
    """A kind that the API server has: in which version, and whether its objects' status is written apart."""

    kind: Kind
    version: str
    status: bool

    @property
    def api_version(self) -> str:
        """As ``apiVersion`` has it."""
        return f"{self.kind.group}/{self.version}" if self.kind.group else self.version

    def path(self, ref: ObjectRef) -> str:
        """The path of an object of this kind."""
        return item(collection(self.kind.group, self.version, self.kind.plural, ref.namespace), ref.name)


class Places:
    """Which kinds the API server has; what it does not have is looked for again after a while. Calls are synchronous.

    Errors: those of ``Rest``.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._known: dict[Kind, tuple[Served | None, float]] = {}

    def of(self, ref: ObjectRef) -> Served | None:
        """How the kind of ``ref`` is served; None where it is not, or is none of ours."""
        struct = BY_GROUP_KIND.get((ref.group, ref.kind))
        return None if struct is None else self.of_kind(struct.KIND)

    def of_kind(self, kind: Kind) -> Served | None:
        """How ``kind`` is served; None where it is not."""
        found, at = self._known.get(kind, (None, 0.0))
        lasts_s = _LOOK_AFTER_S if found is not None and found.status else _LOOK_AGAIN_S
        if kind not in self._known or time.monotonic() - at > lasts_s:
            found = self._look(kind)
            self._known[kind] = (found, time.monotonic())
        return found

    def all_of(self, kind: Kind) -> Iterator[Json]:
        """All objects of ``kind``; none where it is not served."""
        served = self.of_kind(kind)
        if served is not None:
            yield from (each for page in self._pages(served) for each in page)

    def with_status(self) -> Iterator[tuple[Served, Json]]:
        """All objects that conditions may be written for, and how their kinds are served."""
        for kind in POLICY_KINDS.values():
            served = self.of_kind(kind)
            if served is not None and served.status:
                yield from ((served, each) for page in self._pages(served) for each in page)

    def _pages(self, served: Served) -> Iterator[list[Json]]:
        query = {"limit": str(_PAGE)}
        while True:
            path = collection(served.kind.group, served.version, served.kind.plural)
            page = self._rest.get(path, query)
            yield page["items"]
            following = page["metadata"].get("continue")
            if not following:
                return
            query = {**query, "continue": following}

    def _look(self, kind: Kind) -> Served | None:
        for version in kind.versions:
            try:
                listed = self._rest.get(root(kind.group, version))
            except ApiException as error:
                if error.status != ABSENT:
                    raise
                continue
            names = {each["name"] for each in listed["resources"]}
            if kind.plural in names:
                return Served(kind, version, f"{kind.plural}/status" in names)
        return None
