"""Access-log entries of Envoy, read: which decisions one tells of. What callers chose is cut and cleaned.

Source: by experiment with Envoy 1.40: response_code_details, connection_termination_details, the RBAC filters'
metadata, and the reason of a failed handshake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from xds.api.envoy.config.core.v3 import address_pb2, base_pb2
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogCommon, HTTPAccessLogEntry
from xds.audit.refusal import Kind, PolicyId, Sighting, Stage, clean
from xds.server.access_logs import Entry
from xds.translators.access_logs import AUDIT_HINT, COMMON, HANDSHAKE_ERROR, HANDSHAKE_LIBRARY
from xds.translators.authorization.authorizer import HTTP_RBAC, NETWORK_RBAC, SHADOW
from xds.translators.authorization.envoy import AUDITED, DRY_RUN_ALLOW, DRY_RUN_DENY, UNDECIDABLE

_POLICY: Final = re.compile(r"ns\[([^]]*)\]-policy\[([^]]*)\]-rule\[(\d{1,6})\]")
_RBAC: Final = "rbac_access_denied"
_TOKEN: Final = "jwt_authn_access_denied"
_AUTHORIZER: Final = "ext_authz_"
_VERSIONS: Final = {1: "HTTP/1.0", 2: "HTTP/1.1", 3: "HTTP/2", 4: "HTTP/3"}
# What BoringSSL says, and what that means here.
_HANDSHAKES: Final = (
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the caller shows no certificate"),
    ("HTTP_REQUEST", "the caller speaks plaintext HTTP, and mutual TLS is required"),
    ("WRONG_VERSION_NUMBER", "the caller speaks no TLS, and mutual TLS is required"),
    ("certificate has expired", "the caller's certificate has expired"),
    ("certificate is not yet valid", "the caller's certificate is not valid yet: a clock may be off"),
    ("unable to get local issuer", "the caller's certificate is of an authority that is not the mesh's"),
    ("self-signed", "the caller's certificate is of an authority that is not the mesh's"),
    ("self signed", "the caller's certificate is of an authority that is not the mesh's"),
    ("SAN matcher", "the caller's certificate is of another trust domain"),
    ("NO_SHARED_CIPHER", "no cipher suite is known to both ends"),
    ("UNSUPPORTED_PROTOCOL", "the caller's version of TLS is too old"),
)


def sightings(entry: Entry, now: datetime) -> Iterator[Sighting]:
    """The decisions in an entry: one refusal, or what dry runs and AUDIT policies have noticed of what passed.

    ``now`` bounds the time that the proxy's clock says.
    """
    if isinstance(entry, HTTPAccessLogEntry):
        yield from _of_request(entry, now)
        return
    common = entry.common_properties
    seen = replace(_seen(common, now), protocol="TCP")
    reason = common.downstream_transport_failure_reason
    if reason.startswith(HANDSHAKE_ERROR) and HANDSHAKE_LIBRARY in reason:
        because = _handshake(reason)
        yield replace(seen, kind=Kind.HANDSHAKE, protocol="TLS", why=because, proven=False)
        return
    if common.response_flags.no_healthy_upstream:
        yield replace(seen, why="the port takes no such connection: no plain TLS, and nothing by the proxy's own port")
        return
    marks = _Marks.of(common.metadata, NETWORK_RBAC)
    details = common.connection_termination_details
    if not details and common.response_flags.HasField("unauthorized_details"):
        details = f"{_AUTHORIZER}denied"
    yield from _decisions(seen, details, marks)


def _of_request(entry: HTTPAccessLogEntry, now: datetime) -> Iterator[Sighting]:
    request, response = entry.request, entry.response
    seen = replace(
        _seen(entry.common_properties, now),
        protocol=_VERSIONS.get(entry.protocol_version, "HTTP"),
        method=clean(method_of(request.request_method)),
        host=clean(request.authority),
        # Not original_path: it is a header of the caller's, and policies judge by this one.
        path=clean(request.path.partition("?")[0]),
        status=response.response_code.value,
        request_id=clean(request.request_id),
    )
    marks = _Marks.of(entry.common_properties.metadata, HTTP_RBAC)
    yield from _decisions(seen, response.response_code_details, marks)


def method_of(number: int) -> str:
    """The name of a method of Envoy's access log; ``other`` where it is none that has a number."""
    name = base_pb2.RequestMethod.Name(number) if number in base_pb2.RequestMethod.values() else ""
    return "other" if name in ("", "METHOD_UNSPECIFIED") else name


def _seen(common: AccessLogCommon, now: datetime) -> Sighting:
    tls = common.tls_properties.peer_certificate_properties
    ids = [name.uri for name in tls.subject_alt_name if name.uri]
    return Sighting(
        when=began(common, now),
        kind=Kind.REFUSED,
        stage=Stage.MTLS,
        why="",
        peer=clean(ids[0]) if ids else "",
        proven=bool(ids),
        address=clean(_address(common.downstream_direct_remote_address)),
        port=common.downstream_local_address.socket_address.port_value,
    )


def began(common: AccessLogCommon, now: datetime) -> datetime:
    """When the call of an entry began; ``now`` where that is not said, or cannot be true."""
    if not common.HasField("start_time"):
        return now
    try:
        said = datetime.fromtimestamp(common.start_time.seconds + common.start_time.nanos / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return now
    return said if now - timedelta(days=1) < said <= now else now


def _address(address: address_pb2.Address) -> str:
    return address.socket_address.address or address.pipe.path


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the RBAC filters have left behind."""

    rbac: dict[str, str]
    audited: bool

    @classmethod
    def of(cls, metadata: base_pb2.Metadata, rbac: str) -> _Marks:
        found = metadata.filter_metadata
        texts = {key: value.string_value for key, value in found[rbac].fields.items()} if rbac in found else {}
        hint = found[COMMON].fields if COMMON in found else {}
        return cls(texts, AUDIT_HINT in hint and hint[AUDIT_HINT].bool_value)

    def shadow(self, prefix: str) -> str:
        return self.rbac.get(f"{prefix}shadow_engine_result", "")

    def shadow_policy(self, prefix: str) -> PolicyId | None:
        return _policy(self.rbac.get(f"{prefix}shadow_effective_policy_id", ""))

    @property
    def audit_policy(self) -> PolicyId | None:
        known = self.rbac.get(f"{AUDITED}enforced_effective_policy_id", "")
        return _policy(known) or self.shadow_policy(AUDITED)


def _decisions(seen: Sighting, details: str, marks: _Marks) -> Iterator[Sighting]:
    refused = _refused(seen, details, marks)
    if refused is not None:
        yield refused
    else:
        yield from _would_refuse(seen, marks)
    if marks.audited:
        kind = Kind.AUDITED
        yield replace(seen, kind=kind, stage=Stage.AUDIT, why="an AUDIT policy matches", policy=marks.audit_policy)


def _refused(seen: Sighting, details: str, marks: _Marks) -> Sighting | None:
    if details.startswith(_RBAC):
        policy = _policy(details)
        if policy is None:
            return replace(seen, stage=Stage.ALLOW, why="no ALLOW policy matches")
        if UNDECIDABLE in details:
            because = "the external authorizer that the policy names is not known"
            return replace(seen, stage=Stage.CUSTOM, why=because, policy=policy)
        return replace(seen, stage=Stage.DENY, why="a DENY policy matches", policy=policy)
    if details.startswith(_TOKEN):
        said = details.partition("{")[2].rstrip("}").replace("_", " ")
        return replace(seen, stage=Stage.TOKEN, why=clean(said) or "its token is not accepted")
    if details.startswith(_AUTHORIZER):
        because = (
            "the external authorizer refuses" if "denied" in details else "the external authorizer does not answer"
        )
        return replace(seen, stage=Stage.CUSTOM, why=because, policy=marks.shadow_policy(SHADOW))
    return None


def _would_refuse(seen: Sighting, marks: _Marks) -> Iterator[Sighting]:
    passed = replace(seen, kind=Kind.WOULD_REFUSE)
    if marks.shadow(DRY_RUN_DENY) == "denied":
        policy = marks.shadow_policy(DRY_RUN_DENY)
        yield replace(passed, stage=Stage.DENY, why="a DENY policy on trial matches", policy=policy)
    if marks.shadow(DRY_RUN_ALLOW) == "denied":
        yield replace(passed, stage=Stage.ALLOW, why="no ALLOW policy matches, those on trial included")


def _policy(text: str) -> PolicyId | None:
    found = _POLICY.search(text)
    return PolicyId(clean(found[1]), clean(found[2]), int(found[3])) if found else None


def _handshake(reason: str) -> str:
    known = next((meaning for words, meaning in _HANDSHAKES if words in reason), "")
    return known or clean(reason)
