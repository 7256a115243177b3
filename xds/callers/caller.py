"""The proven identity of a caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xds.model.identity import SCHEME, account_path

# Wider than Kubernetes' names, and still nothing that could end or extend a SPIFFE id's path.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")
_ID: Final = re.compile(rf"{SCHEME}([^/]+)/ns/([^/]+)/sa/([^/]+)")


@dataclass(frozen=True, slots=True)
class Caller:
    """A workload that has proven itself; ``pod`` is ``""`` when the proof names none.

    ``expires_at`` is when the proof does, None when that is not known.
    Errors: ValueError for names that cannot stand in a SPIFFE id.
    """

    trust_domain: str
    namespace: str
    service_account: str
    pod: str = ""
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not _TRUST_DOMAIN.fullmatch(self.trust_domain):
            raise ValueError(f"{self.trust_domain[:80]!r} is no trust domain")
        for name in (self.namespace, self.service_account, *([self.pod] if self.pod else [])):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name[:80]!r} is no name of a namespace, service account or pod")

    @classmethod
    def of(cls, spiffe_id: str) -> Caller:
        """The caller with that id. ValueError when it is not ``spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT``."""
        found = _ID.fullmatch(spiffe_id)
        if found is None:
            raise ValueError(f"{spiffe_id[:300]!r} is no identity of a service account")
        trust_domain, namespace, service_account = found.groups()
        return cls(trust_domain, namespace, service_account)

    @property
    def spiffe_id(self) -> str:
        """``spiffe://cluster.local/ns/shop/sa/web``."""
        return f"{SCHEME}{self.trust_domain}/{account_path(self.namespace, self.service_account)}"
