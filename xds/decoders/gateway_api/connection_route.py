"""TLSRoutes and TCPRoutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xds.decoders.gateway_api.references import backend, unheeded
from xds.decoders.gateway_api.routes import route_rows
from xds.decoders.row import Authored, Row
from xds.kinds.gateway_api.connection_route import TCPRouteSpec, TLSRouteSpec
from xds.model.gateway_api import Rule


def decode_tls(authored: Authored) -> Iterator[Row]:
    """The rows of a TLSRoute."""
    spec: TLSRouteSpec = authored.struct.spec
    return _rows(authored, spec, spec.hostnames)


def decode_tcp(authored: Authored) -> Iterator[Row]:
    """The rows of a TCPRoute."""
    return _rows(authored, authored.struct.spec, ())


def _rows(authored: Authored, spec: TCPRouteSpec, hostnames: Sequence[str]) -> Iterator[Row]:
    unheeded(authored.spec / "rules" / 1, authored.reading, spec.rules[1:], "only the first rule counts")
    rules = (
        Rule(
            tuple(
                backend(each, f"spec.rules.{index}.backendRefs.{count}", authored.reading)
                for count, each in enumerate(rule.backend_refs)
            )
        )
        for index, rule in enumerate(spec.rules)
    )
    return route_rows(authored, spec.parent_refs, hostnames, rules)
