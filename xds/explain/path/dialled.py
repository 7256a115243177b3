"""What a caller's application does: the address that it connects to, and what it says there."""

from __future__ import annotations

from dataclasses import dataclass

from xds.explain.request import HttpRequest


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connection, and the request on it.

    ``address`` is empty where nobody here knows what the name leads to; ``sni`` is the server name of a caller that
    speaks TLS itself, else empty; ``http`` what it would ask, whether or not the port turns out to be one of HTTP.
    """

    host: str
    port: int
    address: str
    http: HttpRequest
    sni: str = ""

    @property
    def scheme(self) -> str:
        """The scheme of its URL."""
        return "https" if self.sni else "http"
