"""Mutual TLS as a caller decides it: by the mesh's identities wherever the endpoint takes it, unless a rule says else.

Source: istio-semantics 2.7 and 1.2 (``tls``); 2.5 for the ALPN by which a server tells HTTP of the mesh from the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.policy import NO_POLICIES, Encrypting, Policies
from xds.model.service import Service, ServicePort
from xds.view.attach import RuleAt, policies_for, rule
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.names import server_name
from xds.view.scope import mesh
from xds.view.specs.clusters import Discovery, MeshTls, UpstreamProtocol

# "istio-peer-exchange" would promise a prologue that stock Envoy does not send.
TCP_ALPN: Final = ("istio",)
# Names that pick the server's chain and that no server agrees on: what is spoken shows in the first bytes, whereas an
# agreed ALPN would have Envoy's server take HTTP/1 for HTTP/2, or the other way about.
_ALPN: Final = {
    UpstreamProtocol.TCP: TCP_ALPN,
    UpstreamProtocol.HTTP1: ("istio-http/1.1", "istio"),
    UpstreamProtocol.HTTP2: ("istio-h2", "istio"),
    UpstreamProtocol.DOWNSTREAM: ("istio-http/1.1", "istio-h2", "istio"),
}


class Behind(NamedTuple):
    """What callers must know of the endpoints of a port: who they are, and whether some, or all, take mutual TLS."""

    accounts: tuple[str, ...]
    some: bool
    every: bool


def behind(read: Read, key: EndpointKey) -> Behind:
    """What is behind a service's port; comes out equal while endpoints of the same accounts come and go."""
    found = read.get(endpoints, key)
    accounts = tuple(sorted({endpoint.account for endpoint in found if endpoint.account}))
    taking = [endpoint.tls for endpoint in found]
    return Behind(accounts, any(taking), bool(taking) and all(taking))


def by_mesh(read: Read, at: RuleAt | None, port: int) -> bool:
    """Whether TLS to a port, if there is any, is the mesh's own, under the rule at ``at``."""
    policies = policies_for(read.get(rule, at), "", port) if at is not None else NO_POLICIES
    return all(stated.mesh_identity for stated in policies.that(Encrypting))


class Towards(NamedTuple):
    """A cluster that TLS is decided for."""

    service: Service
    port: ServicePort
    subset: str
    discovery: Discovery
    protocol: UpstreamProtocol


def mesh_tls(read: Read, towards: Towards, policies: Policies, identity: Identity) -> MeshTls | None:
    """The mutual TLS of a cluster; None where none of the mesh's is spoken to it."""
    settings = read.get(mesh)
    stated = next(iter(policies.that(Encrypting)), None)
    if not speaks(read, towards.service, policies, proven=identity is not Identity.NONE):
        return None
    known = read.aside(behind, EndpointKey(*towards.service.key, towards.port.number))
    if stated is None and towards.discovery is Discovery.ORIGINAL_DST and not known.every:
        return None  # an address that the caller picks has no metadata: it is all of them or none
    names = stated.names if stated is not None and stated.names else tuple(_names(read, towards.service, known))
    service, port = towards.service, towards.port
    return MeshTls(
        source=identity,
        sni=stated.sni
        if stated is not None and stated.sni
        else server_name(port.number, towards.subset, service.hostname),
        alpn=_ALPN[towards.protocol],
        names=tuple(sorted(set(names))),
        trust=settings.trust,
        bounds=settings.mesh_tls,
        by_endpoint=stated is None and towards.discovery is not Discovery.ORIGINAL_DST,
    )


def speaks(read: Read, service: Service, policies: Policies, *, proven: bool) -> bool:
    """Whether callers speak the mesh's mutual TLS to endpoints of a service that take it.

    ``proven``: whether they can show who they are.
    """
    stated = next(iter(policies.that(Encrypting)), None)
    if stated is not None:
        return stated.mesh_identity
    return proven and not service.external and read.get(mesh).auto_mtls


def _names(read: Read, service: Service, known: Behind) -> Iterator[str]:
    for account in known.accounts:
        yield from read.get(mesh).trust.spiffe_ids(account)
    yield from service.subject_alt_names
