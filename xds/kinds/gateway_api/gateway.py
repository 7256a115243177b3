"""Gateway of the Gateway API: the listeners by which requests come into the mesh."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Kind, LabelSelector, Lenient, Stored
from xds.kinds.gateway_api.references import GROUP, ObjectReference, SecretObjectReference
from xds.kinds.quantities import Labels, NonEmpty, PortNumber, about


class RouteNamespaces(Lenient, frozen=True, kw_only=True):
    """The namespaces whose routes a listener takes."""

    from_: Annotated[str, about("Same, All, Selector or None.")] = field(name="from", default="Same")
    selector: Annotated[LabelSelector | None, about("Labels of the namespaces, with Selector.")] = None


class ListenerNamespaces(Lenient, frozen=True, kw_only=True):
    """The namespaces whose ListenerSets may add listeners."""

    from_: Annotated[str, about("Same, All, Selector or None.")] = field(name="from", default="None")
    selector: Annotated[LabelSelector | None, about("Labels of the namespaces, with Selector.")] = None


class RouteGroupKind(Lenient, frozen=True, kw_only=True):
    """A kind of routes."""

    group: Annotated[str, about("API group.")] = GROUP
    kind: Annotated[NonEmpty, about("Kind.")]


class AllowedRoutes(Lenient, frozen=True, kw_only=True):
    """Which routes may be attached to a listener."""

    namespaces: Annotated[RouteNamespaces, about("Of which namespaces.")] = RouteNamespaces()
    kinds: Annotated[tuple[RouteGroupKind, ...], about("Of which kinds; those of its protocol when empty.")] = ()


class ListenerTLSConfig(Lenient, frozen=True, kw_only=True):
    """What a listener does with TLS."""

    mode: Annotated[str, about("Terminate, or Passthrough to leave it to the backend.")] = "Terminate"
    certificate_refs: Annotated[tuple[SecretObjectReference, ...], about("Secrets with certificates.")] = ()
    options: Annotated[Labels, about("Settings of the implementation.")] = field(default_factory=dict)


class Listener(Lenient, frozen=True, kw_only=True):
    """A port at which requests or connections come in."""

    name: Annotated[NonEmpty, about("Name, unique in the Gateway.")]
    hostname: Annotated[str | None, about("Host that is asked for, or *. and a domain; any when absent.")] = None
    port: Annotated[PortNumber, about("Port.")]
    protocol: Annotated[NonEmpty, about("HTTP, HTTPS, TLS or TCP.")]
    tls: Annotated[ListenerTLSConfig | None, about("What is done with TLS; needed with HTTPS and TLS.")] = None
    allowed_routes: Annotated[AllowedRoutes, about("Which routes may be attached.")] = AllowedRoutes()


class AllowedListeners(Lenient, frozen=True, kw_only=True):
    """Which ListenerSets may add listeners."""

    namespaces: Annotated[ListenerNamespaces, about("Of which namespaces.")] = ListenerNamespaces()


class GatewaySpecAddress(Lenient, frozen=True, kw_only=True):
    """An address that is wished for."""

    type: Annotated[str, about("IPAddress or Hostname.")] = "IPAddress"
    value: Annotated[str, about("The address; any of its type when empty.")] = ""


class GatewayInfrastructure(Lenient, frozen=True, kw_only=True):
    """What the objects that are made for the Gateway have."""

    labels: Annotated[Labels, about("Their labels.")] = field(default_factory=dict)
    annotations: Annotated[Labels, about("Their annotations.")] = field(default_factory=dict)
    parameters_ref: Annotated[ObjectReference | None, about("Object that holds settings.")] = None


class FrontendValidation(Lenient, frozen=True, kw_only=True):
    """Whom clients must prove to be."""

    ca_certificate_refs: Annotated[tuple[ObjectReference, ...], about("ConfigMaps with authorities in ca.crt.")] = (
        field(name="caCertificateRefs", default=())
    )
    mode: Annotated[str, about("AllowValidOnly or AllowInsecureFallback.")] = "AllowValidOnly"


class FrontendTLS(Lenient, frozen=True, kw_only=True):
    """TLS with clients."""

    validation: Annotated[FrontendValidation | None, about("Whom clients must prove to be; anybody when absent.")] = (
        None
    )


class FrontendPortTLS(Lenient, frozen=True, kw_only=True):
    """TLS with clients at one port."""

    port: Annotated[PortNumber, about("Port of listeners.")]
    tls: Annotated[FrontendTLS, about("TLS with clients.")] = FrontendTLS()


class FrontendTLSConfig(Lenient, frozen=True, kw_only=True):
    """TLS with clients, for all ports and for some."""

    default: Annotated[FrontendTLS, about("For ports that are not listed.")] = FrontendTLS()
    per_port: Annotated[tuple[FrontendPortTLS, ...], about("For single ports.")] = ()


class BackendTLSConfig(Lenient, frozen=True, kw_only=True):
    """What the Gateway shows to backends."""

    client_certificate_ref: Annotated[SecretObjectReference | None, about("Secret with its certificate.")] = None


class GatewayTLSConfig(Lenient, frozen=True, kw_only=True):
    """TLS of the whole Gateway."""

    backend: Annotated[BackendTLSConfig | None, about("With backends.")] = None
    frontend: Annotated[FrontendTLSConfig | None, about("With clients.")] = None


class GatewaySpec(Lenient, frozen=True, kw_only=True):
    """The Gateway's class and listeners."""

    gateway_class_name: Annotated[NonEmpty, about("GatewayClass.")]
    listeners: Annotated[tuple[Listener, ...], about("Listeners.")] = ()
    addresses: Annotated[tuple[GatewaySpecAddress, ...], about("Addresses that are wished for.")] = ()
    infrastructure: Annotated[GatewayInfrastructure | None, about("What is made for it has this.")] = None
    allowed_listeners: Annotated[AllowedListeners | None, about("ListenerSets that may add listeners.")] = None
    tls: Annotated[GatewayTLSConfig | None, about("TLS of the whole Gateway.")] = None


class Gateway(Stored, frozen=True, kw_only=True):
    """The listeners by which requests come into the mesh (Gateway API)."""

    KIND: ClassVar[Kind] = Kind(GROUP, "Gateway", ("v1", "v1beta1"), "gateways", ("gtw",))

    spec: Annotated[GatewaySpec, about("Class and listeners.")]
