"""Rollouts and a cluster that are made up, for who acts from the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from xds.failure import Failure
from xds.model.refs import ObjectRef

WEB = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")
CART = ObjectRef("networking.istio.io", "VirtualService", "shop", "cart")


@dataclass
class Rolling:
    """What is under way."""

    objects: tuple[ObjectRef, ...]


@dataclass
class Rollouts:
    """Rollouts that only note what is decided."""

    held: Mapping[ObjectRef, Any] = field(default_factory=lambda: {WEB: None, CART: None})
    standing: Rolling | None = None
    decided: list[tuple[str, tuple[ObjectRef, ...]]] = field(default_factory=list)

    def promote(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        self.decided.append(("promote", tuple(refs)))
        return tuple(refs)

    def abort(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        self.decided.append(("abort", tuple(refs)))
        return tuple(refs)


class Writers:
    """A cluster in which ann may update one object, and bob nothing."""

    def __init__(self, hers: ObjectRef = WEB) -> None:
        self._hers = hers

    async def who(self, token: str) -> str:
        if token == "away":
            raise Failure("the API server does not answer")
        return {"t-ann": "ann", "t-bob": "bob"}.get(token, "")

    async def may_update(self, token: str, ref: ObjectRef) -> bool:
        return token == "t-ann" and ref == self._hers
