"""All that a mesh CA keeps: who signs, who will sign next, whom to trust, and where a rotation of the root stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys
from ca.chain import ISTIO, Names, assemble
from ca.errors import Refused, Unusable
from ca.issuer import Issuer
from ca.trust import TrustBundle
from ca.validity import Findings, check

_NEXT: Final = Names(*(f"next-{name}" for name in ISTIO.all))
_MORE_ROOTS: Final = "more-roots.pem"
_ROTATION: Final = "rotation.json"
FILES: Final = (*ISTIO.all, *_NEXT.all, _MORE_ROOTS, _ROTATION)
KEY_FILES: Final = (ISTIO.key, _NEXT.key)


class Phase(StrEnum):
    """Where a rotation of the root stands; each says who is trusted and who signs.

    STABLE: one root.  DISTRIBUTING: both are trusted, the old one signs.  SIGNING: both are trusted, the new one signs.
    ABORTING: both are trusted, the old one signs again, until nobody has a certificate of the new one.
    """

    STABLE = "stable"
    DISTRIBUTING = "distributing"
    SIGNING = "signing"
    ABORTING = "aborting"


@dataclass(frozen=True, slots=True)
class CaState:
    """The CA at one moment.

    ``active`` is the issuer of the root that is in force, ``next`` that of the root to come, None when STABLE.
    ``more_roots``: trusted besides theirs, whatever the phase. ``since``: when the phase began. ``version``: the
    store's mark for what was loaded, None for what was never stored.
    """

    active: Issuer
    since: datetime
    next: Issuer | None = None
    phase: Phase = Phase.STABLE
    more_roots: TrustBundle = field(default_factory=TrustBundle)
    version: str | None = field(default=None, compare=False)

    @property
    def signer(self) -> Issuer:
        """Who signs now."""
        return self.next if self.next is not None and self.phase is Phase.SIGNING else self.active

    @property
    def roots(self) -> TrustBundle:
        """Whom every workload is to trust now."""
        own = [issuer.root for issuer in (self.active, self.next) if issuer is not None]
        return TrustBundle.of(own) | self.more_roots


def findings(state: CaState, now: datetime) -> Findings:
    """What the clock says about its certificates. A root that only others use, and that expired, is a warning."""
    signer = check([("the CA's certificate", each) for each in state.signer.path], now)
    if signer.problems:
        return signer
    other = [("the trusted root", root) for root in state.roots.roots if root not in state.signer.path]
    late = check(other, now)
    return Findings(signer.problems, (*signer.warnings, *late.problems, *late.warnings))


def encode(state: CaState, passphrase: bytes | None = None) -> dict[str, bytes]:
    """The state as files, by name: the active issuer under istio's names, so that istio's tools can read it.

    Keys are encrypted when there is a passphrase.
    """
    files = _encode_issuer(state.active, ISTIO, passphrase)
    if state.next is not None:
        files |= _encode_issuer(state.next, _NEXT, passphrase)
    if state.more_roots:
        files[_MORE_ROOTS] = state.more_roots.pem
    files[_ROTATION] = json.dumps({"phase": state.phase, "since": state.since.isoformat()}).encode()
    return files


def decode(
    files: Mapping[str, bytes], where: str, passphrase: bytes | None = None, version: str | None = None
) -> CaState:
    """The state in these files. A plugged-in CA's files are a STABLE one.

    Errors: Unusable, with all faults; what the clock says is asked with ``findings``.
    """
    files = {name: content for name, content in files.items() if content}
    phase, since = _rotation(files.get(_ROTATION), where)
    active, trusted = assemble(files, ISTIO, where, passphrase)
    following = assemble(files, _NEXT, where, passphrase)[0] if _NEXT.certificate in files else None
    if (phase is Phase.STABLE) != (following is None):
        raise Unusable(
            f"{where}/{_ROTATION} says {phase}, which does not fit the files beside it: restore them together"
        )
    more = TrustBundle()
    if _MORE_ROOTS in files:
        try:
            more = TrustBundle.from_pem(files[_MORE_ROOTS])
        except Refused as error:
            raise Unusable(f"{where}/{_MORE_ROOTS}: {error}") from None
    own = TrustBundle.of(issuer.root for issuer in (active, following) if issuer is not None)
    return CaState(active, since or active.not_before, following, phase, (trusted | more) - own, version)


def _rotation(written: bytes | None, where: str) -> tuple[Phase, datetime | None]:
    if written is None:
        return Phase.STABLE, None
    try:
        read = json.loads(written)
        return Phase(read["phase"]), datetime.fromisoformat(read["since"])
    except (ValueError, KeyError, TypeError):
        raise Unusable(f"{where}/{_ROTATION} cannot be read: it must have `phase` and `since`") from None


def _encode_issuer(issuer: Issuer, names: Names, passphrase: bytes | None) -> dict[str, bytes]:
    return {
        names.certificate: issuer.certificate.public_bytes(Encoding.PEM),
        names.key: keys.to_pem(issuer.key, passphrase),
        names.roots: issuer.root.public_bytes(Encoding.PEM),
        names.chain: issuer.intermediates_pem,
    }
