"""PeerAuthentications: what the workloads of a scope take from their callers."""

from __future__ import annotations

from collections.abc import Iterator

from xds.decoders.addresses import LAST_PORT, port_number
from xds.decoders.attached import selected
from xds.decoders.row import Authored, Row
from xds.kinds.peer_authentication import MutualTLS
from xds.kinds.peer_authentication import PeerAuthentication as Struct
from xds.model.refs import FieldRef
from xds.model.security import Attachment, MtlsMode, PeerAuthentication
from xds.model.snapshot import Input, Table
from xds.translators.feature import Reading


def decode(authored: Authored) -> Iterator[Row]:
    """The rows of a PeerAuthentication: whom it is for under its namespace, and what it says under its name.

    Problems: peer-authentication.selector, peer-authentication.port, policy.selector-star.
    Source: istio security/v1 PeerAuthentication.
    """
    struct: Struct = authored.struct
    spec, at = struct.spec, authored.spec
    selector = selected(spec.selector, at / "selector", authored.reading)
    if spec.port_level_mtls and not selector:
        message = "needs a selector with labels: ports are those of certain pods"
        authored.reading.error(at / "portLevelMtls", "peer-authentication.selector", message)
    found = PeerAuthentication(
        ref=authored.ref,
        selector=selector,
        mode=_mode(spec.mtls),
        port_modes=_port_modes(spec.port_level_mtls, at / "portLevelMtls", authored.reading),
    )
    yield Row(
        Input(Table.PEER_AUTHENTICATION, authored.ref.namespace), Attachment(authored.created, authored.ref, selector)
    )
    yield Row(Input(Table.POLICY, authored.ref), found)


def _mode(struct: MutualTLS | None) -> MtlsMode:
    return MtlsMode(struct.mode) if struct is not None else MtlsMode.UNSET


def _port_modes(structs: dict[str, MutualTLS], at: FieldRef, reading: Reading) -> tuple[tuple[int, MtlsMode], ...]:
    found: dict[int, MtlsMode] = {}
    for text, struct in structs.items():
        number = port_number(text)
        if not number:
            message = f"must be a port number of the pods, 1 to {LAST_PORT}, is {text!r}"
            reading.error(at.key(text), "peer-authentication.port", message)
        else:
            found[number] = _mode(struct)
    return tuple(sorted(found.items()))
