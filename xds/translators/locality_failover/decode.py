"""Reading ``localityLbSetting`` of a DestinationRule and of MeshConfig, and ``zoneAwareLbSetting``."""

from __future__ import annotations

from dataclasses import replace

from xds.kinds.load_balancer import Distribute, Failover, LocalityLoadBalancerSetting, ZoneAwareSetting
from xds.kinds.mesh_config import MeshConfigSpec
from xds.kinds.traffic_policy import PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.locality_failover.policy import LocalityPreference, Shares, ZoneAware


def locality_failover(
    struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading
) -> LocalityPreference | None:
    """The policy in ``localityLbSetting`` and ``zoneAwareLbSetting`` of ``trafficPolicy.loadBalancer``; None if absent.

    Problems: locality.shares, locality.from-twice, locality.failover, locality.needs-outliers, locality.label,
    zone-aware.beside-locality.
    Source: istio networking/v1 LocalityLoadBalancerSetting.
    """
    balancer = struct.load_balancer
    if balancer is None:
        return None
    spec, where = balancer.locality_lb_setting, at / "loadBalancer.localityLbSetting"
    if spec is not None and (spec.failover or spec.failover_priority) and struct.outlier_detection is None:
        message = "has no effect without outlierDetection, which finds the endpoints that fail"
        reading.warning(where, "locality.needs-outliers", message)
    found, zones = _preference(spec, where, reading), balancer.zone_aware_lb_setting
    aware = _zones(zones, at / "loadBalancer.zoneAwareLbSetting", reading)
    if aware is None:
        return found
    if found is not None and (found.states or found.enabled is False):
        message = "excludes localityLbSetting; leave one of them out"
        reading.error(at / "loadBalancer.zoneAwareLbSetting", "zone-aware.beside-locality", message)
    return replace(found or LocalityPreference(), zones=aware)


def _zones(spec: ZoneAwareSetting | None, at: FieldRef, reading: Reading) -> ZoneAware | None:
    if spec is None or spec.enabled is False:
        return None
    _check_failover(spec.failover, at / "failover", reading)
    _check_labels(spec.failover_priority, at / "failoverPriority", reading)
    default = ZoneAware()
    return ZoneAware(
        tuple((each.from_, each.to) for each in spec.failover),
        spec.failover_priority,
        default.minimum if spec.min_cluster_size is None else spec.min_cluster_size,
    )


def mesh_locality_failover(spec: MeshConfigSpec, at: FieldRef, reading: Reading) -> LocalityPreference | None:
    """The policy in MeshConfig's ``localityLbSetting``; None when absent."""
    found = _preference(spec.locality_lb_setting, at / "localityLbSetting", reading)
    return replace(found, of_mesh=True) if found is not None else None


def _preference(spec: LocalityLoadBalancerSetting | None, at: FieldRef, reading: Reading) -> LocalityPreference | None:
    if spec is None:
        return None
    _check_failover(spec.failover, at / "failover", reading)
    _check_labels(spec.failover_priority, at / "failoverPriority", reading)
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


def _check_labels(spec: tuple[str, ...], at: FieldRef, reading: Reading) -> None:
    for index, label in enumerate(spec):
        if not label.partition("=")[0]:
            reading.error(at / index, "locality.label", f"must be a label, or label=value, is {label!r}")


def _check_failover(spec: tuple[Failover, ...], at: FieldRef, reading: Reading) -> None:
    for index, each in enumerate(spec):
        words = (each.from_, each.to)
        if each.from_ == each.to or any(not word or "*" in word or "/" in word for word in words):
            message = f"must name two regions, other ones, is from {each.from_!r} to {each.to!r}"
            reading.error(at / index, "locality.failover", message)
