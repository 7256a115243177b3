"""BackendTLSPolicy: TLS to the endpoints of a Service."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.gateway_api.references import GROUP, ObjectReference, PolicyTarget
from xds.kinds.quantities import Labels, NonEmpty, about


class SubjectAltName(Lenient, frozen=True, kw_only=True):
    """A name that the server may prove."""

    type: Annotated[str, about("Hostname or URI.")]
    hostname: Annotated[str, about("DNS name.")] = ""
    uri: Annotated[str, about("URI.")] = ""


class BackendTLSPolicyValidation(Lenient, frozen=True, kw_only=True):
    """What the server must prove, and to whom it is believed."""

    ca_certificate_refs: Annotated[tuple[ObjectReference, ...], about("ConfigMaps with authorities in ca.crt.")] = (
        field(name="caCertificateRefs", default=())
    )
    well_known_ca_certificates: Annotated[str | None, about("System: the authorities of the proxy's image.")] = field(
        name="wellKnownCACertificates", default=None
    )
    hostname: Annotated[NonEmpty, about("SNI; and the name to prove, without subjectAltNames.")]
    subject_alt_names: Annotated[tuple[SubjectAltName, ...], about("Names of which the server must prove one.")] = ()


class BackendTLSPolicySpec(Lenient, frozen=True, kw_only=True):
    """Which Services are called by TLS, and what they must prove."""

    target_refs: Annotated[tuple[PolicyTarget, ...], about("Services, or ports of them.")] = ()
    validation: Annotated[BackendTLSPolicyValidation, about("What the server must prove.")]
    options: Annotated[Labels, about("Settings of the implementation; none is read.")] = field(default_factory=dict)


class BackendTLSPolicy(Stored, frozen=True, kw_only=True):
    """TLS to the endpoints of a Service."""

    KIND: ClassVar[Kind] = Kind(GROUP, "BackendTLSPolicy", ("v1",), "backendtlspolicies", ("btlspolicy",))

    spec: Annotated[BackendTLSPolicySpec, about("Which Services, and what they must prove.")]
