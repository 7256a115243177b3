"""Where objects, their rules and fields stand."""

from __future__ import annotations

from collections.abc import Callable

from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.sources.files import locate


class Places:
    """Where objects, their rules and fields stand."""

    def __init__(self, origin_of: Callable[[ObjectRef], Origin | None]) -> None:
        self._origin_of = origin_of

    def of(self, ref: ObjectRef | None, rule: int | None = None) -> str:
        """``file:line`` of an object, or of a rule of it; ``""`` where unknown."""
        if ref is None:
            return ""
        return self.field(FieldRef(ref) if rule is None else FieldRef(ref, ("spec", "rules", rule)))

    def field(self, at: FieldRef) -> str:
        """``file:line`` of a field; ``""`` where unknown."""
        origin = self._origin_of(at.object)
        if origin is None:
            return ""
        return str(locate(at, origin) if at.path else origin)
