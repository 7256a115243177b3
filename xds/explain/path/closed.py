"""Why a gateway closes a connection: no server takes it, or the one that would has no certificate to show."""

from __future__ import annotations

from collections.abc import Iterator

from xds.explain.path.dialled import Dialled
from xds.model.gateway import CredentialName
from xds.model.proxy import Proxy
from xds.model.refs import FieldRef, ObjectRef
from xds.model.snapshot import Table
from xds.view.gateway.credentials import held
from xds.view.gateway.edge_ports import EdgePort, Placed, edge_ports
from xds.view.gateway.routers import Router, router
from xds.view.graph import Read


def closed(read: Read, proxy: Proxy, dialled: Dialled) -> tuple[str, tuple[FieldRef, ...]]:
    """The reason in words, and the objects whose doing it is."""
    seen = read.get(router, proxy)
    if not seen.gateways:
        return "no Gateway selects this pod, so it listens nowhere", ()
    port = next((each for each in read.get(edge_ports, seen) if each.number == dialled.port), None)
    if port is None:
        known = ", ".join(str(each.number) for each in read.get(edge_ports, seen)) or "none"
        by = tuple(FieldRef(ref, ("spec", "servers")) for ref in seen.gateways)
        return f"no server of its Gateways is on port {dialled.port} of the pod; they are on {known}", by
    return next(_bare(read, seen, port), None) or _untaken(port, dialled)


def _bare(read: Read, seen: Router, port: EdgePort) -> Iterator[tuple[str, tuple[FieldRef, ...]]]:
    """The servers of a port that have no certificate."""
    for placed in port.servers:
        tls = placed.server.tls
        if tls is None or not tls.certificates or read.get(held, tls, seen).certificate:
            continue
        secrets = tuple(_secret(seen, name) for name in tls.certificates)
        told = ", ".join(str(ref) + ("" if _there(read, ref) else ", which is not there") for ref in secrets)
        because = f"server {placed.server.section} of {placed.gateway} has no certificate that it may show: {told}"
        yield because, (_at(placed), *map(FieldRef, secrets))


def _secret(seen: Router, name: CredentialName) -> ObjectRef:
    return ObjectRef("", "Secret", name.namespace or seen.scope.namespace, name.name)


def _there(read: Read, ref: ObjectRef) -> bool:
    return bool(read.rows(Table.CREDENTIAL, (ref.namespace, ref.name)))


def _at(placed: Placed) -> FieldRef:
    return FieldRef(placed.gateway, ("spec", "servers"))


def _untaken(port: EdgePort, dialled: Dialled) -> tuple[str, tuple[FieldRef, ...]]:
    what = f"TLS for {dialled.sni}" if dialled.sni else "plaintext"
    hosts = ", ".join(dict.fromkeys(each.host for placed in port.servers for each in placed.server.hosts))
    because = f"no server on port {dialled.port} takes {what}; they take {port.kind.value} for {hosts}"
    return because, tuple(dict.fromkeys(map(_at, port.servers)))
