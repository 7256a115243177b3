"""Secret."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Kind, Stored
from xds.kinds.quantities import Labels, about


class Secret(Stored, frozen=True, kw_only=True):
    """Bytes by key."""

    KIND: ClassVar[Kind] = Kind("", "Secret", ("v1",), "secrets")

    type: Annotated[str, about("Kind of the content; kubernetes.io/tls holds tls.crt and tls.key.")] = "Opaque"
    data: Annotated[Labels, about("Bytes by key, as base64.")] = field(default_factory=dict)
    string_data: Annotated[Labels, about("Texts by key, which go before `data`.")] = field(default_factory=dict)
