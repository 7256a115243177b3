"""GatewayClass: who makes a kind of Gateway."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.gateway_api.references import GROUP, ObjectReference
from xds.kinds.quantities import NonEmpty, about


class GatewayClassSpec(Lenient, frozen=True, kw_only=True):
    """Who makes the class's Gateways."""

    controller_name: Annotated[NonEmpty, about("The controller; `plait.dev/gateway-controller` is this mesh.")]
    parameters_ref: Annotated[ObjectReference | None, about("Object that holds settings of the class.")] = None
    description: Annotated[str | None, about("Text for people.")] = None


class GatewayClass(Stored, frozen=True, kw_only=True):
    """A class of Gateways, by the controller that makes them."""

    KIND: ClassVar[Kind] = Kind(GROUP, "GatewayClass", ("v1", "v1beta1"), "gatewayclasses", ("gc",), namespaced=False)

    spec: Annotated[GatewayClassSpec, about("Who makes the class's Gateways.")]
