"""How objects of the Gateway API name others: parents of routes, backends, secrets, targets of policies."""

from __future__ import annotations

from typing import Annotated

from xds.kinds.authored import Lenient
from xds.kinds.quantities import NonEmpty, PortNumber, about

GROUP = "gateway.networking.k8s.io"


class ParentReference(Lenient, frozen=True, kw_only=True):
    """What a route wants to be attached to: a Gateway, or for traffic within the mesh a Service."""

    group: Annotated[str, about("API group; empty for a Service.")] = GROUP
    kind: Annotated[str, about("Gateway or Service.")] = "Gateway"
    namespace: Annotated[str | None, about("Namespace; the route's own when absent.")] = None
    name: Annotated[NonEmpty, about("Name.")]
    section_name: Annotated[str | None, about("Listener of the Gateway; all that take the route when absent.")] = None
    port: Annotated[PortNumber | None, about("Port of the listener or the Service; all when absent.")] = None


class BackendObjectReference(Lenient, frozen=True, kw_only=True):
    """Where requests go."""

    group: Annotated[str, about("API group; empty for a Service.")] = ""
    kind: Annotated[str, about("Service; or Hostname in group networking.istio.io, a host of a ServiceEntry.")] = (
        "Service"
    )
    name: Annotated[NonEmpty, about("Name.")]
    namespace: Annotated[str | None, about("Namespace; another than the route's needs a ReferenceGrant.")] = None
    port: Annotated[PortNumber | None, about("Port; must be set for a Service.")] = None


class BackendRef(BackendObjectReference, frozen=True, kw_only=True):
    """Where a share of a rule's requests or connections goes."""

    weight: Annotated[int, about("Share, relative to the others; 0 is none.")] = 1


class SecretObjectReference(Lenient, frozen=True, kw_only=True):
    """A certificate."""

    group: Annotated[str, about("API group; empty for a Secret.")] = ""
    kind: Annotated[str, about("Secret.")] = "Secret"
    name: Annotated[NonEmpty, about("Name.")]
    namespace: Annotated[str | None, about("Namespace; another than the Gateway's needs a ReferenceGrant.")] = None


class ObjectReference(Lenient, frozen=True, kw_only=True):
    """An object of a kind that must be said."""

    group: Annotated[str, about("API group; empty for the core.")] = ""
    kind: Annotated[NonEmpty, about("Kind.")]
    name: Annotated[NonEmpty, about("Name.")]
    namespace: Annotated[str | None, about("Namespace; the object's own when absent.")] = None


class PolicyTarget(Lenient, frozen=True, kw_only=True):
    """What a policy is about, in its own namespace."""

    group: Annotated[str, about("API group; empty for a Service.")] = ""
    kind: Annotated[NonEmpty, about("Service.")]
    name: Annotated[NonEmpty, about("Name.")]
    section_name: Annotated[str | None, about("Name of a port; all ports when absent.")] = None
