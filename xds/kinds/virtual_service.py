"""VirtualService: how traffic for hosts is routed."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.http_route import HTTPRoute
from xds.kinds.l4_route import TCPRoute, TLSRoute
from xds.kinds.quantities import about


class VirtualServiceSpec(Strict, frozen=True, kw_only=True):
    """The rules for some hosts."""

    hosts: Annotated[tuple[str, ...], about("Hosts that clients address; empty for a delegate only.")] = ()
    gateways: Annotated[
        tuple[str, ...],
        about("Gateways it applies to; `mesh` is every sidecar, the default."),
    ] = ()
    http: Annotated[tuple[HTTPRoute, ...], about("Rules for HTTP; the first that matches wins.")] = ()
    tls: Annotated[tuple[TLSRoute, ...], about("Rules for TLS that is passed through.")] = ()
    tcp: Annotated[tuple[TCPRoute, ...], about("Rules for other connections.")] = ()
    export_to: Annotated[tuple[str, ...], about("Namespaces that see it; `.` its own, `*` all.")] = ()


class VirtualService(Authored, frozen=True, kw_only=True):
    """How traffic for hosts is routed."""

    KIND: ClassVar[Kind] = Kind(
        "networking.istio.io",
        "VirtualService",
        ("v1", "v1beta1", "v1alpha3"),
        "virtualservices",
        ("vs",),
    )

    spec: Annotated[VirtualServiceSpec, about("The rules.")] = VirtualServiceSpec()
