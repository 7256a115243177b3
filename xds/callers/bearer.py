"""The token that a caller presents, and what Kubernetes' service-account tokens say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xds.callers.caller import Caller
from xds.server.errors import Denied, Reason
from xds.server.node import Peer

MAX_TOKEN_BYTES: Final = 16 * 1024
_SCHEME: Final = "bearer"
_ACCOUNT: Final = "system:serviceaccount:"


def bearer(peer: Peer) -> str | None:
    """The token in ``authorization: Bearer``; None without one. Denied when it is longer than any token is."""
    scheme, _, token = peer.metadata.get("authorization", "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != _SCHEME or not token:
        return None
    if len(token) > MAX_TOKEN_BYTES:
        raise unproven(f"is longer than {MAX_TOKEN_BYTES} bytes")
    return token


def unproven(why: str) -> Denied:
    """The refusal of a token; ``why`` never has any of it."""
    return Denied(f"the bearer token {why}", Reason.UNAUTHENTICATED)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified service-account token says: ``subject`` is ``system:serviceaccount:NAMESPACE:ACCOUNT``."""

    subject: object
    pod: str = ""
    expires_at: datetime | None = None

    def caller(self, trust_domain: str) -> Caller:
        """The caller that they prove. Denied when the subject is no service account's."""
        text = self.subject if isinstance(self.subject, str) else ""
        namespace, colon, account = text.removeprefix(_ACCOUNT).partition(":")
        if not text.startswith(_ACCOUNT) or not colon:
            raise unproven("is not a service account's")
        try:
            return Caller(trust_domain, namespace, account, self.pod, self.expires_at)
        except ValueError as error:
            raise unproven(f"has a name that cannot be: {error}") from None


def kubernetes_claims(payload: Mapping[str, Any]) -> Claims:
    """What the verified payload of a projected token says. Denied when its parts do not agree.

    Source: Kubernetes' bound tokens: ``sub``, and ``kubernetes.io`` with namespace, serviceaccount and pod.
    """
    own = payload.get("kubernetes.io")
    own = own if isinstance(own, Mapping) else {}
    namespace, account = own.get("namespace"), _name(own, "serviceaccount")
    if not isinstance(namespace, str) or not account:
        raise unproven("does not say in kubernetes.io which service account it is of")
    subject = payload.get("sub")
    if subject != f"{_ACCOUNT}{namespace}:{account}":
        raise unproven("contradicts itself: sub and kubernetes.io name different service accounts")
    if "pod" in own and not _name(own, "pod"):
        raise unproven("is bound to a pod without a name")
    return Claims(subject, _name(own, "pod"))


def _name(claims: Mapping[str, Any], key: str) -> str:
    found = claims.get(key)
    name = found.get("name") if isinstance(found, Mapping) else None
    return name if isinstance(name, str) else ""
