"""Gateways of Istio's API: servers, and the routers that are to be them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xds.decoders.addresses import canonical
from xds.decoders.edge_tls import edge_tls
from xds.decoders.protocol import named
from xds.decoders.row import Authored, Row
from xds.kinds.gateway import Gateway as Struct
from xds.kinds.gateway import Server as ServerStruct
from xds.model.gateway import EdgeTls, EdgeTlsMode, Gateway, GatewaySelector, Server, ServerHost
from xds.model.labels import labels
from xds.model.refs import FieldRef
from xds.model.service import Protocol
from xds.model.snapshot import Input, Table
from xds.translators.feature import Reading
from xds.view.names import TAKEN_PORTS

_PROTOCOLS: Final = "HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, MYSQL, REDIS"


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a Gateway: whom it is for, and its servers."""
    struct: Struct = authored.struct
    spec, at, reading = struct.spec, authored.spec, authored.reading
    if not spec.servers:
        reading.error(at / "servers", "gateway.servers", "must have a server at least")
    servers = tuple(_server(each, index, at / "servers" / index, reading) for index, each in enumerate(spec.servers))
    _check_names(spec.servers, at / "servers", reading)
    yield Row(Input(Table.GATEWAY_SELECTOR, ""), GatewaySelector(authored.ref, authored.created, labels(spec.selector)))
    yield Row(Input(Table.GATEWAY, authored.ref), Gateway(authored.ref, servers, authored.created))


def _server(struct: ServerStruct, index: int, at: FieldRef, reading: Reading) -> Server:
    protocol = named(struct.port.protocol)
    if protocol is None:
        message = f"{struct.port.protocol!r} is no protocol; it is one of {_PROTOCOLS}"
        reading.error(at / "port.protocol", "port.protocol", message)
        protocol = Protocol.TCP
    if struct.port.number in TAKEN_PORTS:
        message = f"{struct.port.number} is a port of the proxy itself; take another"
        reading.error(at / "port.number", "gateway.port-taken", message)
    if struct.port.target_port:
        message = "is not read, as in Istio: the router's Service says where a port leads"
        reading.warning(at / "port.targetPort", "gateway.target-port", message)
    if struct.default_endpoint:
        reading.warning(at / "defaultEndpoint", "gateway.default-endpoint", "is not read, as in Istio; use a route")
    if not struct.hosts:
        reading.error(at / "hosts", "gateway.hosts", "must have a host at least; `*` is any")
    return Server(
        section=struct.port.name or struct.name or str(index),
        port=struct.port.number,
        protocol=protocol,
        hosts=tuple(dict.fromkeys(_host(host, at / "hosts" / i, reading) for i, host in enumerate(struct.hosts))),
        tls=_tls(struct, protocol, at, reading),
        bind=_bind(struct.bind, at / "bind", reading),
        https_redirect=struct.tls is not None and struct.tls.https_redirect,
        port_name=struct.port.name,
    )


def _host(text: str, at: FieldRef, reading: Reading) -> ServerHost:
    namespace, slash, host = text.rpartition("/")
    if slash and namespace not in ("*", ".") and not namespace.replace("-", "").isalnum():
        reading.error(at, "gateway.host-namespace", f"must be NAMESPACE/HOST, ./HOST or */HOST, is {text!r}")
    if not host or ("*" in host and host != "*" and not (host.startswith("*.") and "*" not in host[2:])):
        reading.error(at, "host.wildcard", f"must be a host name, *. and a domain, or *, is {host!r}")
    elif any(character.isspace() or character in ":|" for character in host):
        reading.error(at, "host.name", f"must be a host name without scheme or port, is {host!r}")
    owner = reading.namespace if namespace == "." else namespace or "*"
    return ServerHost(host.lower(), owner)


def _bind(text: str, at: FieldRef, reading: Reading) -> str:
    if not text:
        return ""
    address = canonical(text)
    if address is None or "/" in address:
        reading.error(at, "gateway.bind", f"must be an IP address, is {text!r}")
        return ""
    return "" if address in ("0.0.0.0", "::") else address


def _tls(struct: ServerStruct, protocol: Protocol, at: FieldRef, reading: Reading) -> EdgeTls | None:
    spec = struct.tls
    here = at / "tls"
    if spec is None:
        if protocol.is_tls:
            reading.error(here, "gateway.tls-missing", f"must be set with protocol {struct.port.protocol}")
        return None
    if protocol.is_http:
        message = f"may only say httpsRedirect with protocol {struct.port.protocol}; TLS needs HTTPS or TLS"
        if spec.mode != "PASSTHROUGH" or spec.credential_name or spec.server_certificate:
            reading.error(here, "gateway.tls-on-plain", message)
        elif not spec.https_redirect:
            reading.warning(here, "gateway.tls-on-plain", message)
        return None
    if spec.https_redirect:
        message = f"is for plain HTTP servers, this one is {struct.port.protocol}"
        reading.error(here / "httpsRedirect", "gateway.redirect", message)
    decoded = edge_tls(spec, here, reading)
    if decoded.mode is EdgeTlsMode.AUTO_PASSTHROUGH and protocol not in (Protocol.TLS, Protocol.HTTPS):
        reading.error(at / "port.protocol", "gateway.auto-passthrough", "must be TLS with mode AUTO_PASSTHROUGH")
    return decoded


def _check_names(servers: tuple[ServerStruct, ...], at: FieldRef, reading: Reading) -> None:
    seen: dict[str, int] = {}
    for index, each in enumerate(servers):
        name = each.port.name
        if name and name in seen:
            message = f"{name!r} is the name of servers[{seen[name]}] already; each server needs one of its own"
            reading.error(at / index / "port.name", "port.name-twice", message)
        seen.setdefault(name, index)
