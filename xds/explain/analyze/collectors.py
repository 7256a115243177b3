"""Collectors of telemetry that MeshConfig names, and that no service of the mesh is."""

from __future__ import annotations

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.telemetry_provider import FileLog, Prometheus
from xds.view.graph import Read
from xds.view.scope import mesh, resolved_service


def check(read: Read, key: str) -> tuple[Problem, ...]:
    """What is wrong with the collectors of the mesh's settings."""
    settings = read.get(mesh)
    if settings.ref is None:
        return ()
    found = []
    for provider in settings.telemetry.providers:
        if isinstance(provider.speaks, FileLog | Prometheus):
            continue
        where = provider.speaks.service
        service = resolved_service(read, where.host, settings.root_namespace)
        if service is not None and service.port(where.port) is not None:
            continue
        lacking = f"no service {where.host}" if service is None else f"no port {where.port} at {where.host}"
        message = f"has {provider.name!r}, but there is {lacking}: proxies tell it nothing"
        at = FieldRef(settings.ref, ("spec", "extensionProviders"))
        found.append(Problem(at, "telemetry.collector-unknown", message, Severity.WARNING))
    return tuple(found)
