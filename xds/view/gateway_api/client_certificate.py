"""The certificate that a Gateway shows its backends (``spec.tls.backend.clientCertificateRef``)."""

from __future__ import annotations

from typing import Final

from xds.model.gateway import CredentialName
from xds.model.gateway_api import ApiGateway, Fault
from xds.model.refs import ObjectRef
from xds.view.gateway_api.backends import permitted
from xds.view.gateway_api.listeners import GATEWAY, has_certificate, our_gateway
from xds.view.graph import Read

_AT: Final = "spec.tls.backend.clientCertificateRef"


def shown_to_backends(read: Read, ref: ObjectRef) -> CredentialName | None:
    """The Secret that routers of a Gateway show where they speak TLS; None where it names none that can be used."""
    gateway = read.get(our_gateway, ref)
    if gateway is None or gateway.client_certificate is None or shown_fault(read, gateway) is not None:
        return None
    shown = gateway.client_certificate
    return CredentialName(shown.name, shown.namespace if shown.namespace != ref.namespace else "")


def shown_fault(read: Read, gateway: ApiGateway) -> Fault | None:
    """Why the certificate that a Gateway names cannot be used; None also where it names none."""
    shown, home = gateway.client_certificate, gateway.ref.namespace
    if shown is None:
        return None
    if shown.group not in ("", "core") or shown.kind != "Secret":
        return Fault("InvalidClientCertificateRef", _AT, f"must be a Secret, is {shown.kind}")
    if not permitted(read, GATEWAY, home, shown):
        return Fault("RefNotPermitted", _AT, f"{shown.ref} needs a ReferenceGrant for Gateways of {home}")
    if not read.get(has_certificate, shown.namespace, shown.name):
        return Fault("InvalidClientCertificateRef", _AT, f"{shown.ref} must exist, with tls.crt and tls.key")
    return None
