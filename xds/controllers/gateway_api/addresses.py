"""Where a Gateway is reached, and whether anybody answers there: what its Service and its endpoints say. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from xds.controllers.gateway_api.gateway_objects import name_of
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.service import Service
from xds.model.refs import ObjectRef

IP: Final = "IPAddress"
HOSTNAME: Final = "Hostname"
_HEADLESS: Final = "None"
_OF_SERVICE: Final = "kubernetes.io/service-name"
_DOMAIN: Final = ".svc"

Find = Callable[[ObjectRef], object | None]


@dataclass(frozen=True, slots=True)
class Reached:
    """The addresses of a Gateway (type and value), whether a router of it is ready; why not, where there is something.

    ``unusable``: an address that it asks for cannot be had. ``managed``: its routers are ours to make.
    """

    addresses: tuple[tuple[str, str], ...] = ()
    ready: bool = False
    why: str = ""
    unusable: bool = False
    managed: bool = True


def is_managed(gateway: Gateway) -> bool:
    """Whether its routers are made for it: not where it names, as Hostname or one of several, where they are."""
    named = [each for each in gateway.spec.addresses if each.value]
    return len(named) <= 1 and all(each.type == IP for each in named)


def reached(gateway: Gateway, find: Find, slices: Iterable[EndpointSlice], domain: str) -> Reached:
    """Where ``gateway`` is reached; ``find`` has the Services, ``slices`` are the EndpointSlices of its namespace."""
    managed = is_managed(gateway)
    names = [name_of(gateway)] if managed else list(_named(gateway, domain))
    services = [find(ObjectRef("", "Service", gateway.metadata.namespace, name)) for name in names]
    known = [each for each in services if isinstance(each, Service)]
    if not managed and (len(known) < len(names) or not names):
        return Reached(
            why="its addresses must be host names of Services of its namespace", unusable=True, managed=False
        )
    if not known:
        return Reached(why="its Service is not there yet", managed=managed)
    addresses = tuple(dict.fromkeys(address for each in known for address in _of_service(each)))
    if not addresses:
        return Reached(why="its Service has no address yet", managed=managed)
    wished = [each.value for each in gateway.spec.addresses if each.value and managed]
    refused = [each for each in wished if (IP, each) not in addresses]
    if refused:
        why = f"address {refused[0]} is not among those that its Service has"
        return Reached(addresses, why=why, unusable=True, managed=managed)
    ready = any(_answers(each, {service.metadata.name for service in known}) for each in slices)
    return Reached(addresses, ready, "" if ready else "no router of it is ready yet", managed=managed)


def _named(gateway: Gateway, domain: str) -> Iterable[str]:
    """The Services of its namespace that a Gateway names by host name."""
    end = f".{gateway.metadata.namespace}{_DOMAIN}"
    for each in gateway.spec.addresses:
        host = each.value.removesuffix(f".{domain}")
        if each.type == HOSTNAME and host.endswith(end):
            yield host.removesuffix(end)
        elif each.value:
            yield ""


def _of_service(service: Service) -> Iterable[tuple[str, str]]:
    """Its addresses from outside; where nobody gives it any, those within the cluster."""
    for each in service.status.load_balancer.ingress:
        if each.ip:
            yield IP, each.ip
        elif each.hostname:
            yield HOSTNAME, each.hostname
    if not service.status.load_balancer.ingress:
        spec = service.spec
        yield from ((IP, each) for each in (spec.cluster_ips or (spec.cluster_ip,)) if each and each != _HEADLESS)


def _answers(found: EndpointSlice, services: set[str]) -> bool:
    if found.metadata.labels.get(_OF_SERVICE) not in services:
        return False
    return any(each.conditions.ready is not False for each in found.endpoints or ())
