"""BackendTLSPolicies, and the ConfigMaps that hold authorities."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.gateway_api.references import reference
from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api import backend_tls_policy as structs
from xds.model.gateway_api import BackendTls, Fault, Reference
from xds.model.policy import Policies
from xds.model.snapshot import Input, Table
from xds.translators.upstream_tls.policy import Mode, UpstreamTls


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a BackendTLSPolicy: by name, and by each Service that it is for."""
    spec: structs.BackendTLSPolicySpec = authored.struct.spec
    home, wanted = authored.ref.namespace, spec.validation
    targets = tuple(
        (Reference(each.group, each.kind, home, each.name), each.section_name or "") for each in spec.target_refs
    )
    names = tuple(sorted(filter(None, (each.uri or each.hostname for each in wanted.subject_alt_names))))
    said = UpstreamTls(Mode.SIMPLE, sni=wanted.hostname, names=names or (wanted.hostname,))
    policy = BackendTls(
        ref=authored.ref,
        targets=targets,
        authorities=tuple(reference(each, home) for each in wanted.ca_certificate_refs),
        policies=Policies((said,)),
        faults=tuple(_faults(wanted)),
        created=authored.created,
    )
    yield Row(Input(Table.BACKEND_TLS_POLICY, authored.ref), policy)
    for name in dict.fromkeys(to.name for to, _ in targets if (to.group, to.kind) == ("", "Service")):
        yield Row(Input(Table.BACKEND_TLS, (home, name)), policy)


def _faults(wanted: structs.BackendTLSPolicyValidation) -> Iterator[Fault]:
    at = "spec.validation"
    known = wanted.well_known_ca_certificates
    if known not in (None, "System"):
        yield Fault("Invalid", f"{at}.wellKnownCACertificates", f"must be System, is {known!r}")
    elif bool(known) == bool(wanted.ca_certificate_refs):
        yield Fault("Invalid", at, "must have one of caCertificateRefs and wellKnownCACertificates")
