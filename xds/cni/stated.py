"""What a pod's annotation asks of the node agent. Anybody who may write pods can write it: it is read without trust."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Final, TypeVar

import msgspec

from xds.model.interception import Interception, network

_LONGEST: Final = 16 * 1024
_MOST: Final = 256
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_FIELDS: Final = frozenset(field.name for field in fields(Interception))

T = TypeVar("T")


class NotUnderstood(ValueError):
    """The annotation says nothing that rules could be made of; the text says what is wrong with it."""


def stated(text: str) -> Interception:
    """The settings in an annotation, from which only rules of our own shape can be made. Errors: NotUnderstood."""
    if len(text) > _LONGEST:
        raise NotUnderstood(f"is longer than {_LONGEST} characters")
    try:
        read = msgspec.json.decode(text, type=dict[str, object])
        found = msgspec.convert(read, Interception)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise NotUnderstood(str(error)) from None
    unknown = sorted(read.keys() - _FIELDS)
    if unknown:  # rules made without it would redirect otherwise than was meant
        raise NotUnderstood(f"{unknown[0]!r} is none of its fields")
    _check((*(found.inbound_ports or ()), *found.excluded_inbound_ports), _is_port, "port")
    _check((*found.outbound_ports, *found.excluded_outbound_ports), _is_port, "port")
    _check((*(found.outbound_networks or ()), *found.excluded_networks), _is_network, "network")
    _check(found.excluded_interfaces, _is_interface, "interface")
    return found


def _check(values: Iterable[T], good: Callable[[T], bool], what: str) -> None:
    every = tuple(values)
    if len(every) > _MOST:
        raise NotUnderstood(f"has more than {_MOST} {what}s")
    for value in every:
        if not good(value):
            raise NotUnderstood(f"{value!r} is no {what}")


def _is_port(number: int) -> bool:
    return 0 < number < 65536


def _is_network(text: str) -> bool:
    try:
        return network(text) == text
    except ValueError:
        return False


def _is_interface(name: str) -> bool:
    return _INTERFACE.fullmatch(name) is not None
