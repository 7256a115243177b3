"""Services as parents of routes and targets of policies: by their name in Kubernetes."""

from __future__ import annotations

from xds.model.refs import ObjectRef
from xds.model.service import Service, ServiceKey
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import mesh


def is_service(read: Read, ref: ObjectRef, port: int) -> bool:
    """Whether there is a Service of that name, with that port unless it is 0."""
    service = _service(read, ref)
    return service is not None and (not port or service.port(port) is not None)


def named_port(read: Read, ref: ObjectRef, name: str) -> bool:
    """Whether there is a Service of that name with a port of that name."""
    service = _service(read, ref)
    return service is not None and any(port.name == name for port in service.ports)


def _service(read: Read, ref: ObjectRef) -> Service | None:
    if (ref.group, ref.kind) != ("", "Service"):
        return None
    host = f"{ref.name}.{ref.namespace}.svc.{read.get(mesh).domain}"
    found: Service | None = read.first(Table.SERVICE, ServiceKey(host, ref.namespace))
    return found if found is not None and found.kubernetes else None
