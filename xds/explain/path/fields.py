"""Where in an object a destination is named that a route leads to."""

from __future__ import annotations

from xds.model.refs import FieldRef
from xds.model.route import VirtualService
from xds.model.snapshot import Table
from xds.view.graph import Read

_ROUTE: tuple[str | int, ...] = ("spec", "http")


def destination_field(read: Read, at: tuple[FieldRef, ...], host: str, subset: str, field: str) -> tuple[FieldRef, ...]:
    """``at`` with the field of the destination in the place of that of the match, as far as it can be told.

    ``field`` is ``host``, ``port`` or ``subset``; a VirtualService's alone are known one by one.
    """
    if not at or at[0].path[:2] != _ROUTE:
        return at
    routed: VirtualService | None = read.first(Table.VIRTUAL_SERVICE, at[0].object)
    index = at[0].path[2] if len(at[0].path) > 2 else -1
    if routed is None or not isinstance(index, int) or not 0 <= index < len(routed.http):
        return at
    for number, share in enumerate(routed.http[index].destinations):
        to = share.destination
        if (to.host, to.subset) == (host, subset):
            path = (*_ROUTE, index, "route", number, "destination", field)
            return (FieldRef(at[0].object, path), *at[1:])
    return at
