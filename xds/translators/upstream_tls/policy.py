"""TLS of the connections to a service, as its callers' rule says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from xds.model.security import USUAL_TLS, TlsBounds

_NOBODY: Final = "nobody.invalid"


class Mode(Enum):
    """Who proves to be whom."""

    DISABLE = "disable"  # nobody: plaintext
    SIMPLE = "simple"  # the server
    MUTUAL = "mutual"  # both, the client by files of its own
    MESH = "mesh"  # both, by the mesh's identities


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """TLS to a service. Paths are on the proxy's machine; an empty ``authorities`` is the system's bundle.

    ``names``: the server must prove one of them; with none, the name that was sent. ``sni`` empty: the request's host.
    ``credential``: a Secret in the rule's namespace that holds certificate, key and authorities instead of files.
    ``bundle``: authorities (PEM) instead of the file. ``shown``: the secret with the certificate that the caller shows.
    """

    mode: Mode
    sni: str = ""
    names: tuple[str, ...] = ()
    authorities: str = ""
    revoked: str = ""
    certificate: str = ""
    private_key: str = ""
    verify: bool = True
    credential: str = ""
    bundle: bytes = b""
    shown: str = ""
    bounds: TlsBounds = USUAL_TLS

    @property
    def mesh_identity(self) -> bool:
        """Whether it is the mesh's own mutual TLS, which the view knows how to speak."""
        return self.mode is Mode.MESH

    def towards(self, names: tuple[str, ...], bounds: TlsBounds) -> UpstreamTls:
        """This policy towards a service of which ``names`` are known, within what the mesh lets TLS be."""
        return replace(self, names=self.names or (names if self.verify else ()), bounds=bounds)

    def believing(self, authorities: bytes | None) -> UpstreamTls:
        """This policy with those authorities (PEM); empty: the system's; None: no server can prove to be right."""
        if authorities is None:
            return replace(self, names=(_NOBODY,))
        return replace(self, bundle=authorities)

    def showing(self, secret: str) -> UpstreamTls:
        """This policy, with the certificate of that secret shown where it says nothing of one itself."""
        return replace(self, shown=secret) if self.mode is Mode.SIMPLE else self

    def merge(self, parent: UpstreamTls) -> UpstreamTls:
        """This policy: a narrower tls block replaces the wider one whole, as in Istio."""
        del parent
        return self
