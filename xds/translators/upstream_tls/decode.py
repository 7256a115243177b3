"""Reading ``tls`` of a DestinationRule."""

from __future__ import annotations

from typing import Final

from xds.kinds.traffic_policy import ClientTLSSettings, PortTrafficPolicy, TrafficPolicy
from xds.model.refs import FieldRef
from xds.translators.feature import Reading
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.view.names import OF_AUTHORITIES

_LONGEST_SNI: Final = 255  # tls.v3.UpstreamTlsContext.sni

_MODE: Final = {
    "DISABLE": Mode.DISABLE,
    "SIMPLE": Mode.SIMPLE,
    "MUTUAL": Mode.MUTUAL,
    "ISTIO_MUTUAL": Mode.MESH,
}


def upstream_tls(struct: TrafficPolicy | PortTrafficPolicy, at: FieldRef, reading: Reading) -> UpstreamTls | None:
    """The policy in ``trafficPolicy.tls``; None when the block is absent.

    Problems: tls.certificate-missing, tls.field-excluded, tls.credential-name, tls.sni-length, tls.verify-none.
    Source: istio networking/v1 ClientTLSSettings.
    """
    spec = struct.tls
    if spec is None:
        return None
    at = at / "tls"
    mode = _MODE[spec.mode]
    _check_files(spec, mode, at, reading)
    if spec.credential_name and mode in (Mode.DISABLE, Mode.MESH):
        message = f"has no effect with mode {spec.mode}; it is for SIMPLE and MUTUAL"
        reading.warning(at / "credentialName", "tls.field-excluded", message)
    if spec.credential_name.endswith(OF_AUTHORITIES):
        message = f"must not end in {OF_AUTHORITIES}, is {spec.credential_name!r}: name the Secret beside it"
        reading.error(at / "credentialName", "tls.credential-name", message)
    if len(spec.sni.encode()) > _LONGEST_SNI:
        reading.error(at / "sni", "tls.sni-length", f"must have at most {_LONGEST_SNI} bytes, as names have")
    if spec.insecure_skip_verify and (spec.ca_certificates or spec.subject_alt_names):
        message = "must not stand beside caCertificates or subjectAltNames, which it would ignore"
        reading.error(at / "insecureSkipVerify", "tls.verify-none", message)
    return UpstreamTls(
        mode=mode,
        sni=spec.sni,
        names=tuple(sorted(set(spec.subject_alt_names))),
        authorities=spec.ca_certificates,
        revoked=spec.ca_crl,
        certificate=spec.client_certificate,
        private_key=spec.private_key,
        verify=not spec.insecure_skip_verify,
        credential=spec.credential_name if mode in (Mode.SIMPLE, Mode.MUTUAL) else "",
    )


def _check_files(spec: ClientTLSSettings, mode: Mode, at: FieldRef, reading: Reading) -> None:
    files = {
        "clientCertificate": spec.client_certificate,
        "privateKey": spec.private_key,
        "caCertificates": spec.ca_certificates,
        "caCrl": spec.ca_crl,
    }
    for name, value in files.items():
        if value and (mode is Mode.MESH or spec.credential_name):
            other = "credentialName" if spec.credential_name else "mode ISTIO_MUTUAL"
            reading.error(at / name, "tls.field-excluded", f"must be absent beside {other}")
        elif value and mode is Mode.DISABLE:
            reading.warning(at / name, "tls.field-excluded", "has no effect with mode DISABLE")
    if mode is not Mode.MUTUAL or spec.credential_name:
        return
    for name in ("clientCertificate", "privateKey"):
        if not files[name]:
            reading.error(at / name, "tls.certificate-missing", "must name a file with mode MUTUAL")
