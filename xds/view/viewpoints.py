"""From where callers call: what of their network matters for the endpoints that they are given."""

from __future__ import annotations

from xds.model.endpoint import EndpointKey
from xds.model.identity import Identity
from xds.model.network import Viewpoint
from xds.model.policy import Policies
from xds.model.service import Service, ServicePort
from xds.view.auto_mtls import speaks
from xds.view.endpoints import Callers, splits
from xds.view.gateway_api.backend_tls import backend_tls
from xds.view.graph import Read
from xds.view.networks import divided
from xds.view.scope import Scope


def callers_of(read: Read, scope: Scope) -> Callers:
    """The callers of a scope, as services tell them apart."""
    seen = Viewpoint(scope.network, scope.identity is not Identity.NONE) if read.get(divided) else None
    return Callers(scope.router, scope.families, seen)


def towards(read: Read, callers: Callers, service: Service, port: ServicePort, policies: Policies) -> Callers:
    """Callers as far as they matter for calling a service's port under these policies."""
    if callers.seen is None:
        return callers
    if not read.get(splits, EndpointKey(*service.key, port.number), callers.seen.network):
        return callers._replace(seen=None)
    if service.kubernetes:
        policies = policies.over(read.get(backend_tls, service.ref, port.name))
    passed = speaks(read, service, policies, proven=callers.seen.by_gateways)
    return callers._replace(seen=callers.seen._replace(by_gateways=passed))


def towards_any(read: Read, callers: Callers, service: Service) -> Callers:
    """Callers as far as they matter for calling a service at all."""
    if callers.seen is None:
        return callers
    network = callers.seen.network
    apart = any(read.get(splits, EndpointKey(*service.key, port.number), network) for port in service.ports)
    return callers if apart else callers._replace(seen=None)
