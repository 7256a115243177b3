"""A Sidecar's ``ingress``: the ports of a workload that connections are taken on, and where they go."""

from __future__ import annotations

from typing import Final

from xds.decoders.addresses import canonical, port_number
from xds.decoders.edge_tls import edge_tls
from xds.decoders.protocol import named
from xds.kinds.gateway import ServerTLSSettings
from xds.kinds.sidecar import IstioIngressListener
from xds.model.gateway import EdgeTls, EdgeTlsMode
from xds.model.refs import FieldRef
from xds.model.service import Protocol
from xds.model.sidecar import Ingress
from xds.translators.decode_policies import decode_policies
from xds.translators.feature import SIDECAR_INGRESS, Reading

_UNIX: Final = "unix://"
_LOOPBACKS: Final = ("127.0.0.1", "::1")
_ALL: Final = ("0.0.0.0", "::")


def ingress(structs: tuple[IstioIngressListener, ...], at: FieldRef, reading: Reading) -> tuple[Ingress, ...]:
    """The ports, each once. Problems: sidecar.port, sidecar.port-twice, sidecar.endpoint, sidecar.ingress-tls."""
    found: dict[int, Ingress] = {}
    for index, struct in enumerate(structs):
        here = at / index
        number = struct.port.number
        if not number:
            reading.error(here / "port.number", "sidecar.port", "must be a port, 1 to 65535")
        elif number in found:
            reading.error(here / "port.number", "sidecar.port-twice", f"{number} has an entry already")
        else:
            found[number] = _ingress(struct, here, reading)
    return tuple(found.values())


def _ingress(struct: IstioIngressListener, at: FieldRef, reading: Reading) -> Ingress:
    endpoint, target = _endpoint(struct.default_endpoint, at / "defaultEndpoint", reading)
    bind = _bind(struct, at, reading)
    if bind and not endpoint:
        message = "must be 127.0.0.1:PORT or unix:///path with captureMode NONE, where no caller says another address"
        reading.error(at / "defaultEndpoint", "sidecar.endpoint", message)
    if bind and endpoint in _LOOPBACKS and target == struct.port.number:
        message = f"must be another port than {target}, on which the proxy itself listens"
        reading.error(at / "defaultEndpoint", "sidecar.endpoint", message)
    return Ingress(
        number=struct.port.number,
        protocol=_protocol(struct, at, reading),
        bind=bind,
        endpoint=endpoint,
        target=target,
        policies=decode_policies(SIDECAR_INGRESS, struct, at, reading),
        tls=_tls(struct.tls, at / "tls", reading) if struct.tls is not None else None,
    )


def _tls(spec: ServerTLSSettings, at: FieldRef, reading: Reading) -> EdgeTls:
    found = edge_tls(spec, at, reading)
    if found.mode not in (EdgeTlsMode.SIMPLE, EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL):
        message = f"must be SIMPLE, MUTUAL or OPTIONAL_MUTUAL on a port of a workload, is {spec.mode}"
        reading.error(at / "mode", "sidecar.ingress-tls", message)
    if found.certificates or found.authorities is not None:
        message = "must be absent on a port of a workload: give its proxy files, and name them"
        reading.error(at / "credentialName", "sidecar.ingress-tls", message)
    if spec.https_redirect:
        reading.error(at / "httpsRedirect", "sidecar.ingress-tls", "is for gateways; leave it out")
    return found


def _protocol(struct: IstioIngressListener, at: FieldRef, reading: Reading) -> Protocol:
    word = struct.port.protocol
    found = named(word) if word.upper() != "HTTP_PROXY" else None
    if found is None:
        message = f"must be HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, MYSQL, REDIS, is {word!r}"
        reading.error(at / "port.protocol", "sidecar.protocol", message)
    return found or Protocol.TCP


def _bind(struct: IstioIngressListener, at: FieldRef, reading: Reading) -> str:
    """The address of a real socket; empty where connections are captured."""
    if struct.bind and struct.bind not in _ALL and canonical(struct.bind) is None:
        reading.error(at / "bind", "sidecar.bind", f"must be an IP address, is {struct.bind!r}")
    if struct.capture_mode == "NONE":
        return canonical(struct.bind) or struct.bind or "0.0.0.0"
    if struct.bind:
        message = "has no effect without captureMode NONE: captured connections come in on all addresses"
        reading.warning(at / "bind", "sidecar.bind-unused", message)
    return ""


def _endpoint(text: str, at: FieldRef, reading: Reading) -> tuple[str, int]:
    """The address and port of the application, ``""`` for the pod's own address, 0 for the port itself."""
    if not text:
        return "", 0
    if text.startswith(_UNIX):
        if not text.removeprefix(_UNIX).startswith(("/", "@")):
            reading.error(at, "sidecar.endpoint", f"must be unix:// and an absolute path, is {text!r}")
        return text, 0
    host, _, port = text.rpartition(":")
    address = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    number = port_number(port)
    if not number or address not in (*_LOOPBACKS, *_ALL):
        message = f"must be 127.0.0.1:PORT, 0.0.0.0:PORT (the pod's address), [::1]:PORT or unix:///path, is {text!r}"
        reading.error(at, "sidecar.endpoint", message)
    return ("" if address in _ALL else address), number
