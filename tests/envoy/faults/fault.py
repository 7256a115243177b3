"""What a fault of the catalogue is, as a value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from tests.envoy.manifests import Manifest
from xds.testing.mesh import Mesh

ANALYZE: Final = ("analyze",)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client sees of one request, in words such as ``200 api-v1`` or ``503``, and the request's id."""

    words: str
    request_id: str = ""


# One real request from a pod of the mesh.
Client = Callable[[Mesh], Awaitable[Seen]]
# Breaks the mesh when it is entered, and mends it when it is left.
Break = Callable[[Mesh], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault, and the command by which its guilty object is found.

    ``symptom`` and ``well`` are regular expressions for all of what ``client`` sees while it is broken, and else.
    ``asked`` are the arguments of ``plait``; ``{request_id}`` in them is the id of the request that had the symptom,
    ``{stranger}`` the address of a pod outside of the mesh.
    ``guilty`` is the object that must be named, ``said`` where: of ``analyze`` the code of the finding, of ``explain``
    one of the words of ``named.places`` (``decided``, ``to``, ``answer``, ``mtls``, or the name of a step).
    ``breaks`` are manifests that replace those of the same name, or are more; ``gone`` are taken away
    (``Secret ingress/site``); ``while_broken`` is for what no manifest breaks. ``refused`` is whether a proxy refuses
    something of it. ``unnamed`` is why nothing names the guilty object; the fault counts as one that is missed.
    """

    name: str
    client: Client
    symptom: str
    guilty: str
    said: str
    asked: tuple[str, ...] = ANALYZE
    well: str = "200 .*"
    breaks: Sequence[Manifest] | Callable[[], Sequence[Manifest]] = ()
    gone: tuple[str, ...] = ()
    while_broken: Break | None = None
    refused: bool = False
    unnamed: str = ""

    def manifests(self) -> Sequence[Manifest]:
        """What is applied over the healthy mesh."""
        return self.breaks() if callable(self.breaks) else self.breaks
