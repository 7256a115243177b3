"""The services that a router's policies call."""

from __future__ import annotations

from xds.model.labels import Labels
from xds.model.policy import Authorizing, Routed
from xds.model.route import Destination
from xds.model.service import ServiceKey
from xds.view.filters import attached
from xds.view.gateway.tables import known_services
from xds.view.graph import Read
from xds.view.observed import collectors, telemetry_of
from xds.view.scope import Scope, mesh


def asked_services(read: Read, namespace: str, labels: Labels, scope: Scope) -> tuple[ServiceKey, ...]:
    """The services that a router calls by itself: external authorizers, and collectors of its telemetry."""
    policies = read.get(attached, namespace, labels)
    settings = read.get(mesh)
    provided = policies.adding(*(policy.provided(settings.authorizer) for policy in policies.that(Authorizing)))
    hosts: list[str] = []

    def note(destination: Destination) -> str:
        hosts.append(destination.host)
        return ""

    for policy in provided.that(Routed):
        policy.resolved(note)
    hosts += read.get(collectors, read.get(telemetry_of, namespace, labels))
    return known_services(read, hosts, scope)
