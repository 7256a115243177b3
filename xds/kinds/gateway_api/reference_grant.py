"""ReferenceGrant: which objects of other namespaces may refer to those of this one."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import field

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.gateway_api.references import GROUP
from xds.kinds.quantities import NonEmpty, about


class ReferenceGrantFrom(Lenient, frozen=True, kw_only=True):
    """Who may refer."""

    group: Annotated[str, about("API group.")]
    kind: Annotated[NonEmpty, about("Kind.")]
    namespace: Annotated[NonEmpty, about("Namespace.")]


class ReferenceGrantTo(Lenient, frozen=True, kw_only=True):
    """What may be referred to."""

    group: Annotated[str, about("API group; empty for the core.")]
    kind: Annotated[NonEmpty, about("Kind.")]
    name: Annotated[str | None, about("Name; all of the kind when absent.")] = None


class ReferenceGrantSpec(Lenient, frozen=True, kw_only=True):
    """Who may refer to what."""

    from_: Annotated[tuple[ReferenceGrantFrom, ...], about("Who may refer.")] = field(name="from", default=())
    to: Annotated[tuple[ReferenceGrantTo, ...], about("To what, in this namespace.")] = ()


class ReferenceGrant(Stored, frozen=True, kw_only=True):
    """Lets objects of other namespaces refer to objects of its own."""

    KIND: ClassVar[Kind] = Kind(GROUP, "ReferenceGrant", ("v1", "v1beta1"), "referencegrants", ("refgrant",))

    spec: Annotated[ReferenceGrantSpec, about("Who may refer to what.")] = ReferenceGrantSpec()
