"""What keeps a client with one endpoint: its address, in a cookie or header that the client sends back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """A session by a cookie (with its path), or by a header; one of the two.

    It ends when the endpoint does: an endpoint on its way out goes on for its own sessions, then another one answers.
    """

    cookie: str = ""
    path: str = "/"
    header: str = ""

    def at_caller(self) -> Session:
        """All of it: it is routes that keep sessions."""
        return self

    def merge(self, parent: Session) -> Session:
        """This session: it leaves nothing open."""
        del parent
        return self
