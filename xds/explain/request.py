"""What arrives at a workload, as its proxy sees it: a request, or a plain connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xds.model.families import is_ip
from xds.model.mesh import Paths

Claims = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that does not hold, why, and the status that answers it: 403 where it is for others, else 401."""

    reason: str
    status: int = 401


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """An HTTP request; a gRPC call is a POST to ``/package.Service/Method``.

    ``path`` may have a query; ``authority`` is the Host header, port included where the client sends one. ``token`` is
    what the workload's RequestAuthentications make of the token: its claims as they come to conditions
    (``xds.explain.tokens``), or that it is refused; None where there is no token, or nobody asks for one. ``paths`` is
    how the workload's proxy makes paths uniform, which the verdict fills in.
    """

    method: str = "GET"
    path: str = "/"
    authority: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    token: Claims | Refused | None = None
    paths: Paths = Paths.BASE

    def header(self, name: str) -> str | None:
        """The header's values, joined as Envoy joins them; None when there is none."""
        wanted = name.lower()
        pseudo = {":method": self.method, ":path": self.path, ":authority": self.authority, "host": self.authority}
        if wanted in pseudo:
            return pseudo[wanted]
        found = [value.strip() for known, value in self.headers if known.lower() == wanted]
        return ",".join(found) if found else None


GRPC_METHOD: Final = "POST"


@dataclass(frozen=True, slots=True)
class Request:
    """What comes in on ``port`` (the pod's); ``http`` is None where the proxy sees a plain connection.

    ``principal`` is the caller's proven id without scheme (``cluster.local/ns/shop/sa/web``), ``""`` over plaintext.
    ``peer`` and ``destination`` are addresses; ``sni`` what the caller's TLS names. ``broken_off`` is why the caller
    and the server never agree on TLS, if so.
    """

    port: int
    principal: str = ""
    peer: str = ""
    destination: str = ""
    sni: str = ""
    http: HttpRequest | None = None
    broken_off: str = ""

    @property
    def remote(self) -> str:
        """Where the request started: the last address of ``x-forwarded-for``, else the peer."""
        forwarded = self.http.header("x-forwarded-for") if self.http is not None else None
        last = (forwarded or "").rpartition(",")[2].strip()
        return last if is_ip(last) else self.peer
