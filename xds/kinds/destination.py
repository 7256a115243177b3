"""Destination: the service that a route leads to."""

from __future__ import annotations

from typing import Annotated

from xds.kinds.authored import Strict
from xds.kinds.quantities import NonEmpty, PortNumber, about


class PortSelector(Strict, frozen=True, kw_only=True):
    """A port by its number."""

    number: Annotated[PortNumber, about("Port number.")]


class Destination(Strict, frozen=True, kw_only=True):
    """The service that a request goes to."""

    host: Annotated[
        NonEmpty,
        about("Service; a name without dots is one of the rule's own namespace."),
    ]
    subset: Annotated[str, about("Subset of the service, as a DestinationRule names it.")] = ""
    port: Annotated[PortSelector | None, about("Port of the service; its only port when absent.")] = None
