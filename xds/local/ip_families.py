"""The address families of Services, as a cluster decides them from ``ipFamilyPolicy`` and ``ipFamilies``. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from xds.kinds.service import Service, ServiceSpec

Family = Literal["IPv4", "IPv6"]

FAMILIES: Final[tuple[Family, ...]] = ("IPv4", "IPv6")
_HEADLESS: Final = "None"


def family_of(address: str) -> Family:
    """The family of an address or a network."""
    return "IPv6" if ":" in address else "IPv4"


def ip_families(spec: ServiceSpec, available: Sequence[Family]) -> tuple[Family, ...]:
    """The families of a Service where the cluster has those of ``available``, its first one first.

    One, unless ``ipFamilyPolicy`` or two ``ipFamilies`` ask for both. Of what a cluster has not (where Kubernetes would
    refuse the Service), what it has is taken.
    """
    stated = spec.ip_families or tuple(family_of(each) for each in stated_addresses(spec))
    both = spec.ip_family_policy in ("PreferDualStack", "RequireDualStack") or len(stated) > 1
    wanted = tuple(each for each in dict.fromkeys((*stated, *available)) if each in available)
    return wanted if both else wanted[:1]


def stated_addresses(spec: ServiceSpec) -> tuple[str, ...]:
    """The addresses that a Service asks for."""
    return tuple(each for each in dict.fromkeys((spec.cluster_ip, *spec.cluster_ips)) if each not in ("", _HEADLESS))


def placed(struct: Service, families: tuple[Family, ...], given: Iterable[str]) -> Service:
    """The Service with those families, and with the addresses that it asks for and was ``given``, in their order."""
    spec = struct.spec
    known = {family_of(each): each for each in (*given, *stated_addresses(spec))}
    addresses = tuple(known[family] for family in families if family in known)
    if addresses:
        spec = msgspec.structs.replace(spec, cluster_ip=addresses[0], cluster_ips=addresses)
    return msgspec.structs.replace(struct, spec=msgspec.structs.replace(spec, ip_families=families))
