"""An API object as a source read it: what decoders take and what the store keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from xds.model.refs import ObjectRef, Origin

S_co = TypeVar("S_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Object(Generic[S_co]):
    """A struct of ``xds.kinds`` with its name and the place it comes from.

    Shape: ``generation`` is the API server's; a source without one (files) counts the contents it has seen, from 1.
    """

    ref: ObjectRef
    struct: S_co
    origin: Origin
    generation: int = 0
