"""Failed calls as values: what one proxy says of one request or connection, and how often the like of it happened."""

from __future__ import annotations

import msgspec


class FailedCall(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request, or (``method`` empty) one TCP connection, in Envoy's words; nothing of it is looked up.

    ``flags`` are Envoy's short words (``UF``), ``details`` are of the answer or of a connection's end, ``transport`` is
    why the connection to the upstream failed. ``when`` is when it began, as ISO 8601 has it. ``source`` is the
    caller's address, ``principal`` its SPIFFE id where TLS has proven one. ``host`` and ``path`` (without its query)
    are the request's, ``dialled`` is what the caller connected to, ``upstream`` what was called at last, after so many
    ``attempts``, and ``upstream_pod`` (``shop/api-1``) who had that address then.
    """

    when: str
    status: int = 0
    flags: tuple[str, ...] = ()
    details: str = ""
    transport: str = ""
    duration_ms: int = 0
    attempts: int = 0
    source: str = ""
    principal: str = ""
    dialled: str = ""
    upstream: str = ""
    upstream_pod: str = ""
    cluster: str = ""
    route: str = ""
    method: str = ""
    host: str = ""
    path: str = ""
    request_id: str = ""

    @property
    def outcome(self) -> str:
        """What the caller got: ``503 UF,URX``, ``closed UH``, ``no answer DC``."""
        status = str(self.status) if self.status else "no answer" if self.method else "closed"
        return f"{status} {','.join(self.flags)}".rstrip()


class FailedCalls(msgspec.Struct, kw_only=True):
    """Calls of one kind that one proxy (``reporter``, ``NAMESPACE/POD``) has told of: how often, and the last of them.

    ``inbound`` is whether they came in to that proxy's workload; else its workload made them. ``first`` and ``last``
    are when such was told of, in seconds since 1970; ``latest`` are the newest, the oldest of these first.
    """

    reporter: str
    inbound: bool
    times: int = 0
    first: float = 0.0
    last: float = 0.0
    latest: list[FailedCall] = msgspec.field(default_factory=list)
