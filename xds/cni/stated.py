"""What a pod's annotation asks of the node agent. Anybody who may write pods can write it: it is read without trust."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Final

import msgspec

from xds.model.interception import Interception

ANNOTATION: Final = "sidecar.plait/interception"
"""On a pod that waits for the node agent: its Interception as JSON, ``{}`` for all traffic."""

_LONGEST_BYTES: Final = 16 * 1024
_MOST: Final = 256
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")


class NotUnderstood(ValueError):
    """The annotation says nothing that rules could be made of; the text says what is wrong with it."""


def stated(text: str) -> Interception:
    """The settings in an annotation, of which nothing can come but rules of our own shape. Errors: NotUnderstood."""
    if len(text) > _LONGEST_BYTES:
        raise NotUnderstood(f"is longer than {_LONGEST_BYTES} bytes")
    try:
        found = msgspec.convert(_object(text), Interception)
    except msgspec.MsgspecError as error:
        raise NotUnderstood(str(error)) from None
    for ports in (found.inbound_ports, found.excluded_inbound_ports, found.outbound_ports, found.excluded_outbound_ports):
        _check(ports or (), lambda port: 0 < port < 65536, "port")
    for networks in (found.outbound_networks, found.excluded_networks):
        _check(networks or (), _is_network, "network")
    _check(found.excluded_interfaces, lambda name: _INTERFACE.fullmatch(name) is not None, "interface")
    return found


def _object(text: str) -> dict[str, object]:
    """Unknown fields are refused: rules made without them would redirect otherwise than was meant."""
    read = msgspec.json.decode(text, type=dict[str, object])
    unknown = sorted(read.keys() - {field.name for field in msgspec.structs.fields(_Known)})
    if unknown:
        raise NotUnderstood(f"{unknown[0]!r} is none of its fields")
    return read


def _is_network(text: str) -> bool:
    try:
        return str(ip_network(text)) == text
    except ValueError:
        return False
