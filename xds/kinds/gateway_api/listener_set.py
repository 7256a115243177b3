"""ListenerSet: listeners that somebody adds to a Gateway, often of another namespace."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.gateway_api.gateway import Listener
from xds.kinds.gateway_api.references import GROUP
from xds.kinds.quantities import NonEmpty, about


class ParentGatewayReference(Lenient, frozen=True, kw_only=True):
    """The Gateway that the listeners are added to."""

    group: Annotated[str, about("API group.")] = GROUP
    kind: Annotated[str, about("Gateway.")] = "Gateway"
    namespace: Annotated[str | None, about("Namespace; the set's own when absent.")] = None
    name: Annotated[NonEmpty, about("Name.")]


class ListenerSetSpec(Lenient, frozen=True, kw_only=True):
    """The Gateway, and its further listeners."""

    parent_ref: Annotated[ParentGatewayReference, about("Gateway; its allowedListeners must let this namespace in.")]
    listeners: Annotated[tuple[Listener, ...], about("Listeners.")] = ()


class ListenerSet(Stored, frozen=True, kw_only=True):
    """Listeners that are added to a Gateway."""

    KIND: ClassVar[Kind] = Kind(GROUP, "ListenerSet", ("v1",), "listenersets", ("lset",))

    spec: Annotated[ListenerSetSpec, about("Gateway and listeners.")]
