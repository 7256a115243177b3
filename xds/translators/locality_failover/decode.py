"""Reading ``localityLbSetting`` of a DestinationRule and of MeshConfig."""

from __future__ import annotations

from xds.kinds.load_balancer import Distribute, LocalityLoadBalancerSetting
from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.locality_failover.policy import LocalityPreference, Shares


def locality_failover(
    struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading
) -> LocalityPreference | None:
    """The policy in ``trafficPolicy.loadBalancer.localityLbSetting``; None when absent.

    Problems: locality.shares, locality.from-twice, locality.failover, locality.needs-outliers,
    locality.not-yet, zone-aware.not-yet.
    Source: istio networking/v1 LocalityLoadBalancerSetting.
    """
    balancer = struct.load_balancer
    if balancer is None:
        return None
    if balancer.zone_aware_lb_setting is not None:
        where = at / "loadBalancer.zoneAwareLbSetting"
        reading.warning(where, "zone-aware.not-yet", "has no effect yet (issue 6)")
    spec, where = balancer.locality_lb_setting, at / "loadBalancer.localityLbSetting"
    if spec is not None and (spec.failover or spec.failover_priority) and struct.outlier_detection is None:
        message = "has no effect without outlierDetection, which finds the endpoints that fail"
        reading.warning(where, "locality.needs-outliers", message)
    return _preference(spec, where, reading)


def mesh_locality_failover(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> LocalityPreference | None:
    """The policy in MeshConfig's ``localityLbSetting``; None when absent."""
    return _preference(spec.locality_lb_setting, at / "localityLbSetting", reading)


def _preference(spec: LocalityLoadBalancerSetting | None, at: FieldRef, reading: Reading) -> LocalityPreference | None:
    if spec is None:
        return None
    if spec.distribute or spec.failover or spec.failover_priority:
        reading.warning(at, "locality.not-yet", "has no effect yet (issue 6): localities are used alike")
    _check_failover(spec, at / "failover", reading)
    return LocalityPreference(
        enabled=spec.enabled,
        distribute=_shares(spec.distribute, at / "distribute", reading) or None,
        failover=tuple((each.from_, each.to) for each in spec.failover) or None,
        priority=spec.failover_priority or None,
    )


def _shares(spec: tuple[Distribute, ...], at: FieldRef, reading: Reading) -> tuple[Shares, ...]:
    seen: set[str] = set()
    for index, each in enumerate(spec):
        here = at / index
        if not each.from_ or each.from_ in seen:
            found = f"has {each.from_!r} twice" if each.from_ else "has none"
            reading.error(here / "from", "locality.from-twice", f"must be a locality, each once; {found}")
        seen.add(each.from_)
        total = sum(each.to.values())
        if total != 100 or 0 in each.to.values():
            message = f"must be whole per cents above 0 that add up to 100, add up to {total}"
            reading.error(here / "to", "locality.shares", message)
    return tuple(Shares(each.from_, tuple(sorted(each.to.items()))) for each in spec)


def _check_failover(spec: LocalityLoadBalancerSetting, at: FieldRef, reading: Reading) -> None:
    for index, each in enumerate(spec.failover):
        words = (each.from_, each.to)
        if each.from_ == each.to or any(not word or "*" in word or "/" in word for word in words):
            message = f"must name two regions, other ones, is from {each.from_!r} to {each.to!r}"
            reading.error(at / index, "locality.failover", message)
