"""ServiceAccount."""

from __future__ import annotations

from typing import ClassVar

from xds.kinds.authored import Kind, Stored


class ServiceAccount(Stored, frozen=True, kw_only=True):
    """An identity that pods run as."""

    KIND: ClassVar[Kind] = Kind("", "ServiceAccount", ("v1",), "serviceaccounts", ("sa",))
