"""ConfigMap."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Kind, Stored
from xds.kinds.quantities import Labels, about


class ConfigMap(Stored, frozen=True, kw_only=True):
    """Texts by key; the one named ``istio`` in the root namespace holds the mesh configuration under ``mesh``."""

    KIND: ClassVar[Kind] = Kind("", "ConfigMap", ("v1",), "configmaps", ("cm",))

    data: Annotated[Labels, about("Texts by key.")] = field(default_factory=dict)
    binary_data: Annotated[Labels, about("Bytes by key, as base64.")] = field(default_factory=dict)
