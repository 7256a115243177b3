"""The listeners of a Gateway: whether each can be served, and why not, in the words of the API's conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from xds.model.credential import Credential
from xds.model.gateway import API_GROUP, EdgeTlsMode
from xds.model.gateway_api import (
    ROUTE_KINDS,
    Admission,
    ApiGateway,
    Fault,
    GatewayClass,
    GroupKind,
    Listener,
    ListenerSet,
    Reference,
    config_map_name,
)
from xds.model.labels import NO_LABELS, Labels
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.model.workload import Namespace
from xds.view.gateway_api.backends import permitted
from xds.view.graph import Read
from xds.view.names import TAKEN_PORTS

GATEWAY: Final = GroupKind(API_GROUP, "Gateway")
TERMINATE: Final = "Terminate"
PASSTHROUGH: Final = "Passthrough"
OPTIONS: Final = tuple(
    mode.value
    for mode in (EdgeTlsMode.SIMPLE, EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL, EdgeTlsMode.ISTIO_MUTUAL)
)
"""What Istio's option of a listener may say."""
_CERTIFICATE: Final = "InvalidCertificateRef"
_BY_SNI: Final = ("HTTPS", "TLS")


@dataclass(frozen=True, slots=True)
class ListenerState:
    """A listener, the kinds of routes that it takes, and what is wrong with it: None where nothing is.

    ``accepted`` is what keeps it from being served at all, ``conflict`` another listener of the Gateway, ``resolved``
    what it names and is not there. ``index`` is its place.
    """

    listener: Listener
    index: int
    kinds: tuple[GroupKind, ...]
    accepted: Fault | None = None
    conflict: Fault | None = None
    resolved: Fault | None = None

    @property
    def valid(self) -> bool:
        """Whether routes may be attached to it."""
        return self.accepted is None and self.conflict is None

    @property
    def served(self) -> bool:
        """Whether proxies listen for it: kinds of routes that are not known are no reason not to."""
        return self.valid and (
            self.resolved is None
            or self.resolved.kept
            or (self.resolved.reason == "InvalidRouteKinds" and bool(self.kinds))
        )


def our_gateway(read: Read, ref: ObjectRef) -> ApiGateway | None:
    """The Gateway, if it is there and its class is ours."""
    gateway: ApiGateway | None = read.first(Table.API_GATEWAY, ref)
    return gateway if gateway is not None and read.get(is_our_class, gateway.class_name) else None


def is_our_class(read: Read, class_name: str) -> bool:
    """Whether the Gateways of a class are ours to serve."""
    found: GatewayClass | None = read.first(Table.GATEWAY_CLASS, class_name)
    return found is not None and found.ours


def controller(read: Read, class_name: str) -> str:
    """Who makes the Gateways of a class; empty when there is no such class."""
    found: GatewayClass | None = read.first(Table.GATEWAY_CLASS, class_name)
    return found.controller if found is not None else ""


def listener_states(read: Read, ref: ObjectRef) -> tuple[ListenerState, ...]:
    """The listeners of a Gateway of ours, in its order, and then those of ListenerSets; none of another's Gateway."""
    gateway = our_gateway(read, ref)
    if gateway is None:
        return ()
    sets = (each.listeners for each in read.get(attached_sets, ref))
    every = tuple(
        _with_clients(gateway, each) for each in (*gateway.listeners, *(each for added in sets for each in added))
    )
    own = every[: len(gateway.listeners)]
    before = Counter[ObjectRef | None]()
    standing = list(own)  # of which none that is added may be in the way
    states = []
    for place, listener in enumerate(every):
        rivals = standing if listener.owner is not None else [*own[:place], *own[place + 1 :]]
        states.append(_state(read, gateway, listener, before[listener.owner], rivals))
        before[listener.owner] += 1
        if listener.owner is not None and states[-1].conflict is None:
            standing.append(listener)
    return tuple(states)


def attached_sets(read: Read, ref: ObjectRef) -> tuple[ListenerSet, ...]:
    """The ListenerSets that a Gateway of ours lets add listeners, the oldest first."""
    gateway = read.get(our_gateway, ref)
    if gateway is None:
        return ()
    rows: tuple[ListenerSet, ...] = read.rows(Table.LISTENER_SETS, ref)
    allowed = (each for each in rows if admits(read, gateway.allowed_sets, each.ref.namespace, ref.namespace))
    return tuple(sorted(allowed, key=lambda each: each.age))


def _with_clients(gateway: ApiGateway, listener: Listener) -> Listener:
    """The listener with what the Gateway says that its clients must prove, whoever has added it."""
    stated = dict(gateway.clients)
    clients = stated.get(listener.port, stated.get(0))
    if listener.protocol != "HTTPS" or clients is None:
        return listener
    return replace(listener, clients=clients.authorities, optional=clients.optional)


def admits(read: Read, admission: Admission, namespace: str, home: str) -> bool:
    """Whether objects of a namespace are let in, by one whose own namespace is ``home``."""
    if admission.sources == "Selector":
        known = read.get(namespace_labels, namespace)
        return bool(admission.selector) and all(each.holds(known) for each in admission.selector)
    return admission.sources == "All" or (admission.sources == "Same" and namespace == home)


def namespace_labels(read: Read, name: str) -> Labels:
    """The labels of a namespace, with that which Kubernetes gives each."""
    found: Namespace | None = read.first(Table.NAMESPACE, name)
    known = found.labels if found is not None else NO_LABELS
    return known | {("kubernetes.io/metadata.name", name)}


def _state(
    read: Read, gateway: ApiGateway, listener: Listener, index: int, rivals: Iterable[Listener]
) -> ListenerState:
    at = f"spec.listeners.{index}"
    kinds, wrong_kind = _kinds(listener, at)
    unclear = list(_unresolved(read, listener.owner or gateway.ref, listener, at))
    clients = list(_clients(read, gateway.ref.namespace, listener, at))
    accepted = next(_unserved(listener, at), None)
    if accepted is None and listener.clients is not None and len(clients) >= len(listener.clients):
        accepted = Fault("NoValidCACertificate", at, "names no authority for clients that can be used")
    return ListenerState(
        listener=listener,
        index=index,
        kinds=kinds,
        accepted=accepted,
        conflict=_conflict(listener, rivals, at),
        resolved=next(iter(sorted((*unclear, *clients), key=lambda fault: fault.kept)), wrong_kind),
    )


def _unserved(listener: Listener, at: str) -> Iterator[Fault]:
    if listener.protocol not in ROUTE_KINDS:
        known = ", ".join(ROUTE_KINDS)
        yield Fault("UnsupportedProtocol", f"{at}.protocol", f"must be one of {known}, is {listener.protocol}")
    elif listener.port in TAKEN_PORTS:
        yield Fault("PortUnavailable", f"{at}.port", f"{listener.port} is taken by the proxy itself")
    elif listener.protocol in _BY_SNI and listener.mode not in (TERMINATE, PASSTHROUGH):
        yield Fault("UnsupportedValue", f"{at}.tls.mode", f"must be Terminate or Passthrough, is {listener.mode!r}")
    elif listener.option and listener.option not in OPTIONS and not _passes_by_itself(listener):
        yield Fault(
            "UnsupportedValue", f"{at}.tls.options", f"must be one of {', '.join(OPTIONS)}, is {listener.option}"
        )
    elif listener.protocol == "HTTPS" and listener.mode != TERMINATE:
        yield Fault("UnsupportedValue", f"{at}.tls.mode", "must be Terminate with protocol HTTPS")


def _passes_by_itself(listener: Listener) -> bool:
    return listener.mode == PASSTHROUGH and listener.option == EdgeTlsMode.AUTO_PASSTHROUGH.value


def _kinds(listener: Listener, at: str) -> tuple[tuple[GroupKind, ...], Fault | None]:
    usual = tuple(GroupKind(API_GROUP, kind) for kind in ROUTE_KINDS.get(listener.protocol, ()))
    wanted = listener.admission.kinds
    if not wanted or not usual:
        return usual, None
    known = tuple(kind for kind in dict.fromkeys(wanted) if kind in usual)
    if len(known) == len(set(wanted)):
        return known, None
    message = f"must be kinds of routes for {listener.protocol}: {', '.join(kind.kind for kind in usual)}"
    return known, Fault("InvalidRouteKinds", f"{at}.allowedRoutes.kinds", message)


def _unresolved(read: Read, of: ObjectRef, listener: Listener, at: str) -> Iterator[Fault]:
    if listener.protocol not in _BY_SNI or listener.mode != TERMINATE:
        return
    if not listener.certificates and listener.option != EdgeTlsMode.ISTIO_MUTUAL.value:
        yield Fault(_CERTIFICATE, f"{at}.tls.certificateRefs", "must name a certificate")
    for count, secret in enumerate(listener.certificates):
        here = f"{at}.tls.certificateRefs.{count}"
        if secret.group not in ("", "core") or secret.kind != "Secret":
            yield Fault(_CERTIFICATE, here, f"must be a Secret, is {secret.kind}")
        elif not permitted(read, GroupKind(of.group, of.kind), of.namespace, secret):
            yield Fault("RefNotPermitted", here, _no_grant(secret, of.namespace, of.kind))
        elif not read.get(has_certificate, secret.namespace, secret.name):
            message = f"Secret {secret.namespace}/{secret.name} must exist, with tls.crt and tls.key"
            yield Fault(_CERTIFICATE, here, message)
        elif read.get(is_gone, secret.namespace, secret.name):
            message = f"Secret {secret.namespace}/{secret.name} is there no more: its last certificate is shown"
            yield Fault(_CERTIFICATE, here, message, kept=True)


def is_gone(read: Read, namespace: str, name: str) -> bool:
    """Whether a Secret was deleted whose last certificate goes on being shown."""
    held: Credential | None = read.first(Table.CREDENTIAL, (namespace, name))
    return held is not None and held.gone


def _no_grant(to: Reference, home: str, kind: str = "Gateway") -> str:
    return f"{to.ref} needs a ReferenceGrant in namespace {to.namespace} for {kind}s of {home}"


def has_certificate(read: Read, namespace: str, name: str) -> bool:
    """Whether a Secret holds a certificate with its key; comes out equal while they are renewed."""
    held: Credential | None = read.first(Table.CREDENTIAL, (namespace, name))
    return held is not None and bool(held.certificate) and bool(held.private_key)


def _clients(read: Read, home: str, listener: Listener, at: str) -> Iterator[Fault]:
    for to in listener.clients or ():
        if to.group not in ("", "core") or to.kind != "ConfigMap":
            yield Fault("InvalidCACertificateKind", at, f"must name ConfigMaps with authorities, not {to.kind}")
        elif not permitted(read, GATEWAY, home, to):
            yield Fault("RefNotPermitted", at, _no_grant(to, home))
        elif not read.get(has_authorities, to.namespace, to.name):
            message = f"ConfigMap {to.namespace}/{to.name} must exist, with authorities in ca.crt"
            yield Fault("InvalidCACertificateRef", at, message)


def has_authorities(read: Read, namespace: str, name: str) -> bool:
    """Whether a ConfigMap holds authorities."""
    held: Credential | None = read.first(Table.CREDENTIAL, (namespace, config_map_name(name)))
    return held is not None and bool(held.authorities)


def _conflict(mine: Listener, rivals: Iterable[Listener], at: str) -> Fault | None:
    """What another listener of the Gateway stands in the way of.

    Of the Gateway's own two are then both not served; of what ListenerSets add, only the later. HTTPS and TLS are told
    apart by SNI, hence share ports. Source: GatewaySpec.listeners, Distinct Listeners; ListenerSetSpec.listeners.
    """
    for other in (each for each in rivals if each.port == mine.port):
        if mine.protocol not in ROUTE_KINDS or other.protocol not in ROUTE_KINDS:
            continue
        if _layer(mine) != _layer(other):
            message = f"{mine.port} is {mine.protocol} here and {other.protocol} in listener {other.section}"
            return Fault("ProtocolConflict", f"{at}.protocol", message)
        if mine.protocol == "TCP" or mine.hostname == other.hostname:
            message = f"listener {other.section} has the same port and host: nothing tells them apart"
            return Fault("HostnameConflict", f"{at}.hostname", message)
    return None


def _layer(listener: Listener) -> str:
    return "by SNI" if listener.protocol in _BY_SNI else listener.protocol
