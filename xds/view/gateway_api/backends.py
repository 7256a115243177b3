"""Whether backends can be used: are they there, and may the route refer to them."""

from __future__ import annotations

from xds.model.gateway import API_GROUP, ISTIO_GROUP
from xds.model.gateway_api import Backend, Fault, GroupKind, Reference, ReferenceGrant
from xds.model.refs import ObjectRef
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import best_service

NOT_PERMITTED = "RefNotPermitted"
NOT_FOUND = "BackendNotFound"


def permitted(read: Read, source: GroupKind, home: str, to: Reference) -> bool:
    """Whether objects of kind ``source`` in ``home`` may refer to ``to``: their own, or by a ReferenceGrant."""
    if to.namespace == home:
        return True
    grants: tuple[ReferenceGrant, ...] = read.rows(Table.REFERENCE_GRANT, to.namespace)
    kind = GroupKind(to.group, to.kind)
    return any(
        (source, home) in grant.sources and ((kind, "") in grant.targets or (kind, to.name) in grant.targets)
        for grant in grants
    )


def fault_of(read: Read, route: ObjectRef, backend: Backend, granted: bool) -> Fault | None:
    """Why a backend of a route cannot be used, or None. ``granted``: no ReferenceGrant is asked for (mesh routes)."""
    if backend.fault is not None:
        return backend.fault
    to = backend.to
    if not granted and to.group != ISTIO_GROUP and not permitted(read, _kind_of(route), route.namespace, to):
        message = f"{to.ref} needs a ReferenceGrant in namespace {to.namespace} for {route.kind} of {route.namespace}"
        return Fault(NOT_PERMITTED, backend.path, message)
    key, port = _key(to, backend), backend.destination.port
    if not read.get(has_port, key, route.namespace, port):
        there = read.get(has_port, key, route.namespace, 0)
        what = f"{to.kind} {to.name} in namespace {to.namespace}" if to.group != ISTIO_GROUP else f"host {to.name}"
        return Fault(NOT_FOUND, backend.path, f"{what} " + (f"has no port {port}" if there else "does not exist"))
    return None


def _kind_of(route: ObjectRef) -> GroupKind:
    return GroupKind(API_GROUP, route.kind)


def _key(to: Reference, backend: Backend) -> ServiceKey:
    return ServiceKey(backend.destination.host, to.namespace if to.kind == "Service" else "")


def has_port(read: Read, key: ServiceKey, home: str, port: int) -> bool:
    """Whether there is a service with that port (0: any); without a namespace, what the host means in ``home``."""
    service: Service | None = (
        read.first(Table.SERVICE, key) if key.namespace else read.get(best_service, key.hostname, home)
    )
    return service is not None and (not port or service.port(port) is not None)
