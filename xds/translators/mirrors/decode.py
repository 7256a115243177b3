"""Reading ``mirror`` and ``mirrors`` of a VirtualService's route, and the three spellings of a mirror's share."""

from __future__ import annotations

from xds.kinds.destination import Destination as DestinationStruct
from xds.kinds.http_route import HTTPRoute
from xds.model.quantity import ALWAYS, NEVER, Percent
from xds.model.refs import FieldRef
from xds.model.route import Destination
from xds.translators.feature import Reading
from xds.translators.mirrors.policy import Mirror, Mirrors


def route_mirrors(route: HTTPRoute, at: FieldRef, reading: Reading) -> Mirrors | None:
    """The policy in ``mirror`` or ``mirrors``; None when both are absent. A mirror of 0 % is none.

    Problems: mirrors.no-mirror, mirrors.no-effect, mirrors.wildcard.
    Source: istio networking/v1 HTTPRoute.mirror, mirrors.
    """
    if route.mirror is None:
        _check_lone_share(route, at, reading)
    if route.mirror is None and not route.mirrors:
        return None
    if route.redirect is not None or route.direct_response is not None:
        field = "mirror" if route.mirror is not None else "mirrors"
        reading.warning(at / field, "mirrors.no-effect", "has no effect where the proxy answers itself")
    found = []
    if route.mirror is not None:
        found.append(Mirror(_destination(route.mirror, at / "mirror", reading), _share(route)))
    for index, each in enumerate(route.mirrors):
        share = Percent.of(each.percentage.value) if each.percentage is not None else ALWAYS
        found.append(Mirror(_destination(each.destination, at / "mirrors" / index / "destination", reading), share))
    return Mirrors(tuple(mirror for mirror in found if mirror.share != NEVER))


def _check_lone_share(route: HTTPRoute, at: FieldRef, reading: Reading) -> None:
    shares = {
        "mirrorPercentage": route.mirror_percentage,
        "mirrorPercent": route.mirror_percent,
        "mirror_percent": route.mirror_percent_snake,
    }
    for field, share in shares.items():
        if share is not None:
            reading.warning(at / field, "mirrors.no-mirror", "has no effect without mirror")


def _share(route: HTTPRoute) -> Percent:
    if route.mirror_percentage is not None:
        return Percent.of(route.mirror_percentage.value)
    whole = route.mirror_percent if route.mirror_percent is not None else route.mirror_percent_snake
    return ALWAYS if whole is None else Percent.of(whole)


def _destination(struct: DestinationStruct, at: FieldRef, reading: Reading) -> Destination:
    if "*" in struct.host:
        reading.error(at / "host", "mirrors.wildcard", f"must be one host, is {struct.host!r}")
    return Destination(reading.fqdn(struct.host), struct.subset, struct.port.number if struct.port is not None else 0)
