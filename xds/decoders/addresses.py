"""IP addresses and subnets in the one form in which they are compared and sent; ports."""

from __future__ import annotations

from typing import Final

from xds.model.families import plain_address, plain_network
from xds.model.problem import Problems
from xds.model.refs import FieldRef

LAST_PORT: Final = 65_535


def canonical(text: str) -> str | None:
    """The address or subnet (``10.1.2.3/8`` is ``10.0.0.0/8``) as Envoy compares it; None when it is neither.

    An IPv4-mapped one (``::ffff:10.1.2.3``) is IPv4, whichever sockets are used.
    An address that stands for all (``0.0.0.0``, ``::``) is none: nobody can be called there. Nor is one with a zone
    (``fe80::1%eth0``), in which anything might stand.
    """
    if "%" in text:
        return None
    if "/" in text:
        try:
            return str(plain_network(text))
        except ValueError:
            return None
    address = plain_address(text)
    return None if address is None or address.is_unspecified else str(address)


def checked(text: str, at: FieldRef, found: Problems) -> str:
    """The address in its canonical form; as it is, and reported, when it is none."""
    address = canonical(text) if "/" not in text else None
    if address is None:
        found.add(at, "address.invalid", f"must be an IP address, is {text!r}")
    return address or text


def port_number(text: str) -> int:
    """The port that a text of digits says, 1 to 65535; 0 where it says none."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(LAST_PORT)) else 0
    return number if number <= LAST_PORT else 0
