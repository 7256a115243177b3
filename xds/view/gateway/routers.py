"""Routers: the gateways that one is told to be, and what else of it decides its configuration."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.families import ANY, families
from xds.model.gateway import API_GROUP, CredentialName, GatewaySelector
from xds.model.identity import Identity
from xds.model.labels import Labels
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.gateway.asked import asked_services
from xds.view.gateway_api.client_certificate import shown_to_backends
from xds.view.graph import Read
from xds.view.inbound import pod_port
from xds.view.scope import Scope, scope


class Router(NamedTuple):
    """The part of a gateway's proxy that decides its configuration; routers of equal value share all of it.

    ``gateways`` are those that it is told to be, the oldest first; ``ports`` where its Services lead, as pairs of their
    port and the pod's; ``udp`` the ports of its Services that take UDP, too. ``addresses`` is where it listens, and
    ``asked`` what its policies call, ``shown`` the certificate that its gateway says it shows backends.
    """

    scope: Scope
    gateways: tuple[ObjectRef, ...]
    ports: tuple[tuple[int, int], ...] = ()
    udp: tuple[int, ...] = ()
    addresses: tuple[str, ...] = (ANY,)
    asked: tuple[ServiceKey, ...] = ()
    shown: CredentialName | None = None

    @property
    def has_secrets(self) -> bool:
        """Whether it is given the Secrets that its gateways name."""
        return self.scope.identity is Identity.ADS and self.scope.vouched


def router(read: Read, proxy: Proxy) -> Router:
    """What decides the configuration of a proxy that is a gateway."""
    chosen = gateways_of(read, proxy.namespace, proxy.labels)
    pod: Workload | None = read.first(Table.WORKLOAD, (proxy.namespace, proxy.name))
    asked = frozenset(pair for each in chosen for pair in each.selector)
    seen = scope(read, proxy)
    # That rules ask where it is, which its pod need not say, takes nothing from it: anybody may write such a rule.
    vouched = _vouched(pod, proxy, asked | (seen.labels & proxy.labels))
    seen = seen._replace(router=True, home=proxy.namespace, sidecar=None, vouched=vouched)
    return Router(
        seen,
        tuple(each.of for each in chosen),
        ports=_ports(read, proxy, pod),
        udp=tuple(sorted({port for service in _services(read, proxy) for port in service.udp})),
        addresses=_addresses(proxy),
        asked=read.get(asked_services, proxy.namespace, proxy.labels, seen),
        shown=_shown(read, tuple(each.of for each in chosen)) if vouched else None,
    )


def _shown(read: Read, gateways: tuple[ObjectRef, ...]) -> CredentialName | None:
    found = (read.get(shown_to_backends, each) for each in gateways if each.group == API_GROUP)
    return next((each for each in found if each is not None), None)


def gateways_of(read: Read, namespace: str, labels: Labels) -> tuple[GatewaySelector, ...]:
    """The gateways that the routers of a namespace with these labels are, the oldest first."""
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    chosen = (each for each in rows if each.namespace in ("", namespace) and each.selector <= labels)
    return tuple(sorted(chosen, key=age))


def age(gateway: GatewaySelector) -> tuple[str, str, str, str]:
    """What orders gateways: the older first, then by name."""
    return (gateway.created, gateway.of.name, gateway.of.namespace, gateway.of.group)


def _vouched(pod: Workload | None, proxy: Proxy, asked: Labels) -> bool:
    # Its account is proven. That its labels are its pod's keeps others of the account's namespace from having its keys.
    return pod is not None and (pod.service_account or "default") == proxy.service_account and asked <= pod.labels


def _addresses(proxy: Proxy) -> tuple[str, ...]:
    if proxy.http_proxy_port and proxy.addresses:
        return proxy.addresses[:1]  # its network is not its own
    return families(proxy.addresses).anywhere


def _ports(read: Read, proxy: Proxy, pod: Workload | None) -> tuple[tuple[int, int], ...]:
    found: dict[int, int] = {}
    for service in _services(read, proxy):
        for port in service.ports:
            if target := pod_port(port, pod):
                found.setdefault(port.number, target)
    return tuple(sorted((number, target) for number, target in found.items() if number != target))


def _services(read: Read, proxy: Proxy) -> list[Service]:
    rows: tuple[Service, ...] = read.rows(Table.SELECTING, proxy.namespace)
    return [service for service in rows if service.selector <= proxy.labels]
