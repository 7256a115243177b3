"""Services that policies name: the external authorizers of MeshConfig's ``extensionProviders``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from xds.model.route import Destination


@dataclass(frozen=True, slots=True)
class CheckedBody:
    """How much of a request's body is sent along to be checked. Units: bytes."""

    max_bytes: int
    allow_partial: bool = False
    as_bytes: bool = False


@dataclass(frozen=True, slots=True)
class ExternalAuthorizer:
    """One external authorizer; header lists are patterns (exact, ``abc*``, ``*abc``, ``*``) in lower case.

    ``cluster`` is filled in by the view: the name of the cluster of ``service``.
    """

    name: str
    service: Destination
    grpc: bool
    timeout: timedelta = timedelta(seconds=600)
    fail_open: bool = False
    status_on_error: int = 403
    path_prefix: str = ""
    body: CheckedBody | None = None
    check_headers: tuple[str, ...] = ()
    added_headers: tuple[tuple[str, str], ...] = ()
    upstream_headers_on_allow: tuple[str, ...] = ()
    downstream_headers_on_allow: tuple[str, ...] = ()
    downstream_headers_on_deny: tuple[str, ...] = ()
    clear_route_cache: bool = False
    cluster: str = ""
