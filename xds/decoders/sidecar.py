"""Sidecars: which hosts some proxies reach, and which ports of their workload they take connections on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from xds.decoders.addresses import canonical
from xds.decoders.outbound_traffic import beyond
from xds.decoders.protocol import named
from xds.decoders.row import Authored, Row
from xds.decoders.sidecar_ingress import ingress
from xds.kinds.sidecar import IstioEgressListener, SidecarPort
from xds.kinds.sidecar import Sidecar as Struct
from xds.model.labels import NO_LABELS, labels
from xds.model.refs import FieldRef
from xds.model.security import Attachment
from xds.model.service import Protocol
from xds.model.sidecar import EVERYTHING, Egress, HostsOf, Sidecar
from xds.model.snapshot import Input, Table
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import SIDECAR, Reading

UNIX: Final = "unix://"
_LOOPBACK: Final = "127.0.0.1"
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?|[*.]")


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Sidecar: whom it is for under its namespace, and what it says under its name.

    Problems: sidecar.host, sidecar.short-host, sidecar.egress-order, sidecar.port-twice, sidecar.port,
    sidecar.protocol, sidecar.bind. Source: istio networking/v1 Sidecar.
    """
    struct: Struct = authored.struct
    spec, at, reading = struct.spec, authored.spec, authored.reading
    selector = labels(spec.workload_selector.labels) if spec.workload_selector is not None else NO_LABELS
    entries = tuple(_egress(each, at / "egress" / i, reading) for i, each in enumerate(spec.egress))
    _check_order(entries, at / "egress", reading)
    policy = spec.outbound_traffic_policy
    unknown = beyond(policy, "REGISTRY_ONLY", at / "outboundTrafficPolicy", reading) if policy is not None else None
    found = Sidecar(
        ref=authored.ref,
        egress=entries or (EVERYTHING,),
        ingress=ingress(spec.ingress, at / "ingress", reading),
        beyond=unknown,
        inbound_policies=decode_policies(SIDECAR, spec, at, reading),
    )
    yield Row(
        Input(Table.SIDECAR_SELECTOR, authored.ref.namespace), Attachment(authored.created, authored.ref, selector)
    )
    yield Row(Input(Table.SIDECAR, authored.ref), found)


def _egress(struct: IstioEgressListener, at: FieldRef, reading: Reading) -> Egress:
    hosts: list[HostsOf] = []
    excluded: list[HostsOf] = []
    for index, text in enumerate(struct.hosts):
        each, out = _hosts(text, at / "hosts" / index, reading)
        if each is not None:
            (excluded if out else hosts).append(each)
    bind, opened = _bind(struct, at, reading)
    port = struct.port or SidecarPort(protocol="TCP")
    if struct.port is not None and not port.number and not bind.startswith(UNIX):
        reading.error(at / "port.number", "sidecar.port", "must be a port, 1 to 65535; only a UNIX socket has none")
    if struct.port is None and bind:
        reading.error(at / "port", "sidecar.port", "must be set where bind is, or captureMode NONE")
    return Egress(
        hosts=tuple(hosts),
        excluded=tuple(excluded),
        port=port.number,
        protocol=protocol(port, at / "port.protocol", reading) if struct.port is not None else Protocol.AUTO,
        bind=bind,
        opened=opened,
        forward_proxy=port.protocol.upper() == "HTTP_PROXY",
    )


def _hosts(text: str, at: FieldRef, reading: Reading) -> tuple[HostsOf | None, bool]:
    """The hosts that an entry names, None where it names none; and whether they are taken out."""
    namespace, slash, host = text.partition("/")
    if namespace == "~":
        return None, False
    out = namespace.startswith("~")
    namespace = namespace.removeprefix("~")
    if not slash or not host:
        reading.error(at, "sidecar.host", f"must be NAMESPACE/HOST (*, . or ~ for the namespace), is {text!r}")
    elif not _NAMESPACE.fullmatch(namespace):
        reading.error(at, "sidecar.host", f"must name a namespace, *, . or ~ before the slash, is {text!r}")
    elif "*" in host.removeprefix("*") or (host.startswith("*") and host != "*" and not host.startswith("*.")):
        reading.error(at, "sidecar.host", f"must be a full name, *. and a domain, or * after the slash, is {text!r}")
    elif host != "*" and "." not in host:
        message = f"is no full name: a service is reached as {host}.NAMESPACE.svc.{reading.domain}, is {text!r}"
        reading.warning(at, "sidecar.short-host", message)
    return HostsOf(namespace, host.lower()), out


def _bind(struct: IstioEgressListener, at: FieldRef, reading: Reading) -> tuple[str, bool]:
    """The address of a listener of its own, empty where it has none; and whether that is a real socket."""
    bind, opened = struct.bind, struct.capture_mode == "NONE"
    if bind.startswith(UNIX):
        if struct.capture_mode == "IPTABLES":
            reading.error(at / "captureMode", "sidecar.bind", "must be NONE or absent for a UNIX socket")
        if not bind.removeprefix(UNIX).startswith(("/", "@")):
            reading.error(at / "bind", "sidecar.bind", f"must be unix:// and an absolute path, is {bind!r}")
        return bind, True
    address = canonical(bind) if bind not in ("", "0.0.0.0", "::") else bind
    if address is None or "/" in address:
        reading.error(at / "bind", "sidecar.bind", f"must be an IP address or unix:///path, is {bind!r}")
    proxy = struct.port is not None and struct.port.protocol.upper() == "HTTP_PROXY"
    if (opened or proxy) and not address:
        return _LOOPBACK, True
    # Nothing else can be captured to a listener on all addresses than what its port's own takes.
    return ("", False) if not opened and bind in ("0.0.0.0", "::") else (address or "", opened or proxy)


def protocol(port: SidecarPort, at: FieldRef, reading: Reading) -> Protocol:
    """What is spoken on a port. Problems: sidecar.protocol."""
    found = named(port.protocol)
    if found is None:
        message = f"must be HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, MYSQL, REDIS, is {port.protocol!r}"
        reading.error(at, "sidecar.protocol", message)
    return found or Protocol.TCP


def _check_order(entries: tuple[Egress, ...], at: FieldRef, reading: Reading) -> None:
    ports: set[int] = set()
    for index, entry in enumerate(entries):
        if entry.port in ports and not entry.bind.startswith(UNIX):
            reading.error(at / index / "port.number", "sidecar.port-twice", f"{entry.port} has an entry already")
        if entry.port:
            ports.add(entry.port)
        elif not entry.bind and index != len(entries) - 1:
            message = "must be set in all entries but the last: one without a port is for the ports of no other"
            reading.error(at / index / "port", "sidecar.egress-order", message)
