"""SPIFFE ids of workloads: ``spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ca.errors import Refused

_FORM: Final = "spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT"
# SPIFFE-ID standard, sections 2.1, 2.2 and 2.3; \Z, as $ would let a trailing newline pass.
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}\Z")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._-]{1,253}\Z")
_DOTS: Final = frozenset({".", ".."})


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """Who a workload is; ``str()`` is its SPIFFE id. Errors: Refused for a part that no SPIFFE id may have."""

    trust_domain: str
    namespace: str
    service_account: str

    def __post_init__(self) -> None:
        check_trust_domain(self.trust_domain)
        _check_segment("namespace", self.namespace)
        _check_segment("service account", self.service_account)

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"


def parse(spiffe_id: str) -> WorkloadIdentity:
    """The parts of ``spiffe_id``. Errors: Refused when it has another form, or characters no SPIFFE id has."""
    parts = spiffe_id.split("/")
    match parts:
        case ["spiffe:", "", trust_domain, "ns", namespace, "sa", service_account]:
            return WorkloadIdentity(trust_domain, namespace, service_account)
        case _:
            raise Refused(f"{_shown(spiffe_id)} is no identity of a workload: must be {_FORM}")


def check_trust_domain(trust_domain: str) -> None:
    """Errors: Refused unless it is one or more of a-z, 0-9, dot, dash and underscore, 255 at most."""
    if not _TRUST_DOMAIN.match(trust_domain):
        raise Refused(
            f"trust domain {_shown(trust_domain)} must be made of a-z, 0-9, '.', '-' and '_', 1 to 255 of them"
        )


def _check_segment(what: str, text: str) -> None:
    if not _SEGMENT.match(text) or text in _DOTS:
        raise Refused(f"{what} {_shown(text)} must be made of letters, digits, '.', '-' and '_', 1 to 253 of them")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
