"""What a control plane trusts and is trusted by: who may say who a proxy is, and where its CA is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from ca.store import Store
from xds.callers.authenticate import Authenticator, Certificates, Way
from xds.cluster.council import Council
from xds.identity.plugged_in import PluggedInFiles


class Issuer(Way, Protocol):
    """The way of tokens of one issuer."""

    async def follow(self) -> None:
        """Keep up with its keys, for ever."""


@dataclass(frozen=True, slots=True)
class Trust:
    """``authenticator``: who tells callers apart; without one nobody can prove anything. ``store``: the CA's state;
    without one nobody is given a certificate. ``plugged_in``: the CA's files, where it is the operator's. ``council``:
    the control planes that share the CA, where there may be several.

    Among the authenticator's ways, ``certificates`` are to follow the mesh's trust domains, ``issuer`` its new keys.
    """

    authenticator: Authenticator | None = None
    store: Store | None = None
    plugged_in: PluggedInFiles | None = None
    certificates: Certificates | None = None
    issuer: Issuer | None = None
    council: Council | None = None


NOBODY: Final = Trust()
"""Nobody can prove anything, and nobody is given a certificate."""
