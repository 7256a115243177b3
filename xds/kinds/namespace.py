"""Namespace."""

from __future__ import annotations

from typing import ClassVar

from xds.kinds.authored import Kind, Stored


class Namespace(Stored, frozen=True, kw_only=True):
    """A namespace; its labels decide about injection and discovery."""

    KIND: ClassVar[Kind] = Kind("", "Namespace", ("v1",), "namespaces", ("ns",), namespaced=False)
