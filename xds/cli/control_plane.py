"""Questions to a running control plane: at an address, at a local mesh's socket, or to its replicas in a cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import typer

from xds.cli.address import Address
from xds.cli.failure import Failure, Unreachable
from xds.cli.where import DEFAULT, Installed, Where, chosen


class Pages(Protocol):
    """HTTP pages somewhere."""

    @property
    def name(self) -> str:
        """Where, for messages."""

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Errors: Unreachable, Failure."""

    def post(self, path: str) -> tuple[int, bytes]:
        """The same of a page that changes something, which may be asked twice."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A control plane by its replicas, of which there is at least one. Errors of every method: Unreachable, Failure."""

    replicas: tuple[Pages, ...]

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return ", ".join(each.name for each in self.replicas)

    def ask(self, path: str, **query: str) -> Any:
        """The JSON at ``path`` of the first replica that answers, for what all know; None when it has none (404)."""
        for each in self.replicas[:-1]:
            try:
                return _json(each, path, query)
            except Unreachable as error:
                typer.echo(f"plait: note: {error}", err=True)
        return _json(self.replicas[-1], path, query)

    def ask_each(self, path: str, **query: str) -> Mapping[str, Any]:
        """The same of every replica, by its name, for what each knows of its own proxies.

        Those that do not answer are told of on stderr; it is an error when none does.
        """
        if len(self.replicas) == 1:
            return {self.name: _json(self.replicas[0], path, query)}
        told: dict[str, Any] = {}
        unreachable: list[Unreachable] = []
        with ThreadPoolExecutor(len(self.replicas)) as pool:
            asked = {each.name: pool.submit(_json, each, path, query) for each in self.replicas}
        for name, answer in asked.items():
            try:
                told[name] = answer.result()
            except Unreachable as error:
                unreachable.append(error)
        if not told:
            raise unreachable[0]
        for each in unreachable:
            typer.echo(f"plait: note: {each}", err=True)
        return told

    def tell_each(self, path: str, **query: str) -> Mapping[str, Any]:
        """What every replica answers, by its name, to being told something; it is an error when one cannot be told."""
        return {each.name: _json(each, path, query, told=True) for each in self.replicas}

    def one(self, name: str) -> ControlPlane:
        """The replica of that name alone."""
        return ControlPlane(tuple(each for each in self.replicas if each.name == name))


def control_plane(of: Installed) -> ControlPlane:
    """The one that is meant: at an address where one is given, of the local mesh that runs, else of the cluster.

    Errors: Failure, Unreachable.
    """
    if isinstance(of, Where) and of.http:
        return ControlPlane((Address(of.http),))
    from xds.local.state import MeshEntry

    place = chosen(of)
    if place is None:
        return ControlPlane((Address(DEFAULT),))
    if isinstance(place, MeshEntry):
        return ControlPlane((Address(place.sockets.get("http", DEFAULT)),))
    return ControlPlane(place.control_planes(of.root_namespace, of.revision))


def _json(pages: Pages, path: str, query: Mapping[str, str], *, told: bool = False) -> Any:
    ask = pages.post if told else pages.get
    status, body = ask(f"{path}?{urlencode(query)}" if query else path)
    if status == 404:
        return None
    if status != 200:
        text = body[:200].decode(errors="replace")
        raise Failure(f"the control plane at {pages.name} answered {path} with {status}: {text}")
    try:
        return json.loads(body)
    except ValueError:
        raise Failure(f"what answers at {pages.name} is no control plane of plait: no JSON at {path}") from None
