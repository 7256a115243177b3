"""Whether a caller sees a host, and what becomes of calls to hosts that it does not see: by whose word."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.path.steps import Step
from xds.model.mesh import OutboundMode
from xds.model.proxy import Proxy
from xds.model.refs import FieldRef
from xds.model.service import Service
from xds.model.sidecar import Sidecar
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import Scope, best_service, mesh, scope
from xds.view.sidecar_at import sidecar
from xds.view.sidecars import beyond, captured_on, reaches

_EGRESS = ("spec", "egress")
_BEYOND = ("spec", "outboundTrafficPolicy")


def names_of(read: Read, host: str, namespace: str) -> tuple[str, ...]:
    """The full names that a host may stand for in a namespace, in the order in which resolvers in pods try them."""
    domain = read.get(mesh).domain
    return (f"{host}.{namespace}.svc.{domain}", f"{host}.svc.{domain}", f"{host}.{domain}", host)


def seen_step(read: Read, proxy: Proxy, host: str, port: int) -> Step:
    """Whether the caller sees a service of that name, and whose word it is if not."""
    seen = scope(read, proxy)
    for name in names_of(read, host, proxy.namespace):
        service = best_service(read, name, seen.home)
        if service is not None:
            return _imported(read, seen, service, port)
    for name in names_of(read, host, proxy.namespace):
        hidden: tuple[Service, ...] = read.rows(Table.HOST, name)
        if hidden:
            by = tuple(FieldRef(each.ref) for each in hidden)
            told = ", ".join(f"{each.ref} (exportTo {', '.join(each.export_to) or 'by default'})" for each in hidden)
            return Step("sees", f"nothing: {told} is not exported to namespace {proxy.namespace}", by)
    return Step("sees", f"nothing of the mesh: no Service or ServiceEntry that it sees has the host {host!r}")


def is_hidden(step: Step) -> bool:
    """Whether a step says that something of the mesh has the host, but not for the caller."""
    return step.what == "sees" and bool(step.by) and step.says.startswith("nothing")


def _imported(read: Read, seen: Scope, service: Service, port: int) -> Step:
    own = FieldRef(service.ref)
    found: Sidecar | None = sidecar(read, seen.sidecar)
    if found is None:
        return Step("sees", str(service.ref), (own,))
    egress = FieldRef(found.ref, _EGRESS)
    if not reaches(read, seen, service.hostname):
        return Step("sees", f"nothing: egress of {found.ref} leaves {service.ref} out", (egress, own))
    if not captured_on(read, seen, service.key, port):
        return Step("sees", f"nothing on port {port}: {found.ref} has {service.ref} elsewhere", (egress, own))
    return Step("sees", f"{service.ref}, by {found.ref}", (own, egress))


def beyond_steps(read: Read, proxy: Proxy) -> Iterator[Step]:
    """What becomes of calls to places that the caller does not know, and who says so."""
    seen = scope(read, proxy)
    unknown = read.get(beyond, seen.sidecar)
    found: Sidecar | None = sidecar(read, seen.sidecar)
    settings = read.get(mesh)
    by: tuple[FieldRef, ...] = ()
    if found is not None and found.beyond is not None:
        by = (FieldRef(found.ref, _BEYOND),)
    elif settings.ref is not None and unknown.mode is not OutboundMode.ALLOW_ANY:
        by = (FieldRef(settings.ref, ("outboundTrafficPolicy",)),)
    what = "is refused" if unknown.mode is OutboundMode.REGISTRY_ONLY else "is let through"
    who = f"outboundTrafficPolicy of {by[0].object}" if by else "outboundTrafficPolicy, which nobody has set"
    through = f" by way of {unknown.proxy.host}" if unknown.proxy is not None else ""
    yield Step("beyond", f"what the caller does not know {what}{through} ({unknown.mode.value}, {who})", by)
