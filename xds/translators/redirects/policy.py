"""What a redirect means: the parts of the new location that differ from the request's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

_USUAL: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Redirect:
    """An answer that sends the client elsewhere; what is empty or 0 stays as in the request.

    Shape: at most one of ``path`` (the whole path), ``prefix`` (in place of the matched prefix) and ``regex`` (what it
    finds is replaced by ``substitution``) is set; ``status`` is one of 301, 302, 303, 307, 308. ``by_listener``: a port
    that is not said is the scheme's, or without a scheme that at which the request came in (the Gateway API).
    """

    status: int = 301
    scheme: str = ""
    authority: str = ""
    port: int = 0
    path: str = ""
    prefix: str = ""
    regex: str = ""
    substitution: str = ""
    by_listener: bool = False

    @property
    def answers(self) -> bool:
        """A redirect is an answer: its route needs no destination."""
        return True

    def merge(self, parent: Self) -> Self:
        """This policy: the narrower scope's word is taken whole."""
        return self

    def at_port(self, port: int, *, tls: bool) -> Redirect:
        """The policy for requests that come in at ``port``: no port is said where it is the scheme's usual one."""
        if not self.by_listener:
            return self
        came = "https" if tls else "http"
        scheme = self.scheme or came
        wanted = self.port or (_USUAL[scheme] if self.scheme else port)
        # Without a new host, the request's stays with its port, which is then another than the usual one.
        keeps_port = not self.authority and port != _USUAL[came]
        said = 0 if wanted == _USUAL[scheme] and not (keeps_port and wanted != port) else wanted
        return replace(self, port=said, by_listener=False)
