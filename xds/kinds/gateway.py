"""Gateway: the servers that routers are told to be."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import Labels, OptionalPortNumber, PortNumber, about

TLSVersion = Literal["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]


class TLSCertificate(Strict, frozen=True, kw_only=True):
    """A certificate in files of the router."""

    server_certificate: Annotated[str, about("File of the certificate chain.")] = ""
    private_key: Annotated[str, about("File of its key.")] = ""
    ca_certificates: Annotated[str, about("File of the CAs of clients; one for all certificates.")] = ""


class ServerTLSSettings(Strict, frozen=True, kw_only=True):
    """What a server does with TLS."""

    https_redirect: Annotated[bool, about("Send plain HTTP to https; for HTTP servers.")] = False
    mode: Annotated[
        Literal["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"],
        about("Pass it on by server name, or end it: without, with, or with optional client certificates."),
    ] = "PASSTHROUGH"
    server_certificate: Annotated[str, about("File of the certificate chain.")] = ""
    private_key: Annotated[str, about("File of its key.")] = ""
    ca_certificates: Annotated[str, about("File of the CAs that vouch for clients.")] = ""
    ca_crl: Annotated[str, about("File of revoked client certificates.")] = ""
    tls_certificates: Annotated[tuple[TLSCertificate, ...], about("One or two pairs of files, RSA and ECDSA.")] = ()
    credential_name: Annotated[str, about("Secret in the router's namespace that holds what the files would.")] = ""
    credential_names: Annotated[tuple[str, ...], about("Two such Secrets, RSA and ECDSA.")] = ()
    ca_cert_credential_name: Annotated[str, about("Secret with the CAs that vouch for clients.")] = ""
    subject_alt_names: Annotated[tuple[str, ...], about("Names of which a client must prove one.")] = ()
    verify_certificate_spki: Annotated[
        tuple[str, ...], about("Base64 SHA-256 of client keys; any of them is taken.")
    ] = ()
    verify_certificate_hash: Annotated[
        tuple[str, ...], about("Hex SHA-256 of client certificates; any of them is taken.")
    ] = ()
    min_protocol_version: Annotated[TLSVersion, about("Oldest version; TLSV1_2 when absent.")] = "TLS_AUTO"
    max_protocol_version: Annotated[TLSVersion, about("Newest version; TLSV1_3 when absent.")] = "TLS_AUTO"
    cipher_suites: Annotated[tuple[str, ...], about("Cipher suites up to TLS 1.2.")] = ()
    ecdh_curves: Annotated[tuple[str, ...], about("Curves.")] = ()
    insecure_skip_verify: Annotated[bool | None, about("Ask clients for certificates, and believe any.")] = None


class Port(Strict, frozen=True, kw_only=True):
    """The port of a server."""

    number: Annotated[PortNumber, about("Port of the router's Service.")]
    protocol: Annotated[str, about("HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP, MONGO, MYSQL or REDIS.")]
    name: Annotated[str, about("Name of the port, unlike those of the other servers.")] = ""
    target_port: Annotated[OptionalPortNumber, about("Deprecated, not read: the Service says it.")] = 0


class Server(Strict, frozen=True, kw_only=True):
    """One port and the hosts that are served there."""

    port: Annotated[Port, about("The port.")]
    bind: Annotated[str, about("Address to listen on; all of them when absent.")] = ""
    hosts: Annotated[
        tuple[str, ...],
        about("Hosts, `*.` for all below, `NAMESPACE/HOST` for VirtualServices of that namespace, `./` for its own."),
    ] = ()
    tls: Annotated[ServerTLSSettings | None, about("What is done with TLS.")] = None
    default_endpoint: Annotated[str, about("Not read, as in Istio.")] = ""
    name: Annotated[str, about("Name of the server, for statistics.")] = ""


class GatewaySpec(Strict, frozen=True, kw_only=True):
    """The servers, and the routers that are to be them."""

    servers: Annotated[tuple[Server, ...], about("The servers; at least one.")] = ()
    selector: Annotated[Labels, about("Labels of the routers' pods, of any namespace; all routers when empty.")] = (
        field(default_factory=dict)
    )


class Gateway(Authored, frozen=True, kw_only=True):
    """The servers that routers are told to be."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "Gateway",
        ("v1", "v1beta1", "v1alpha3"),
        "gateways",
        ("gw",),
    )

    spec: Annotated[GatewaySpec, about("The servers.")] = GatewaySpec()
