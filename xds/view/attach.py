"""Which policy attaches where: the DestinationRule of a host for a caller, the VirtualService that owns a host."""

from __future__ import annotations

from typing import NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.policy import NO_POLICIES, AtCaller, AtServer, Hashing, OfAllPorts, Policies, Policy, Repeating
from xds.model.refs import ObjectRef
from xds.model.route import VirtualService
from xds.model.service import DestinationRule, Service, ServiceKey, Subset
from xds.model.snapshot import Table
from xds.view.graph import Read
from xds.view.scope import Scope, mesh, visible
from xds.view.sidecars import lets_route


class RuleAt(NamedTuple):
    """Where a caller's rule for a host stands; ``home`` and ``labels`` only where the rules there ask for them."""

    namespace: str
    host: str
    home: str = ""
    labels: Labels = NO_LABELS


def matches(pattern: str, hostname: str) -> bool:
    """Whether a host pattern (exact, or a leading ``*``) covers ``hostname``, itself maybe a wildcard."""
    if pattern.startswith("*"):
        return hostname.endswith(pattern[1:])
    return pattern == hostname


def by_precision(patterns: tuple[str, ...], hostname: str) -> list[str]:
    """Those of the wildcard ``patterns`` that cover ``hostname``, longest first."""
    return sorted((p for p in patterns if matches(p, hostname)), key=lambda p: (-len(p), p))


def rule_at(read: Read, service: ServiceKey, scope: Scope) -> RuleAt | None:
    """Where the rule for calls from ``scope`` to ``service`` stands.

    Source: istio-semantics 1.2, look-up: the caller's namespace, the service's, the root namespace; in each the exact
    host, then the longest wildcard.
    """
    root = read.get(mesh).root_namespace
    for namespace in dict.fromkeys((scope.home, service.namespace, root)):
        if not namespace:
            continue
        wildcards = read.rows(Table.RULE_WILDCARD, namespace)
        for host in (service.hostname, *by_precision(wildcards, service.hostname)):
            at = _seen_at(read, namespace, host, scope)
            if at is not None:
                return at
    return None


def _seen_at(read: Read, namespace: str, host: str, scope: Scope) -> RuleAt | None:
    rules: tuple[DestinationRule, ...] = read.rows(Table.RULE, (namespace, host))
    if not rules:
        return None
    selecting = any(rule.workload_selector for rule in rules)
    open_to_all = not selecting and all("*" in (rule.export_to or _default_export(read)) for rule in rules)
    at = RuleAt(
        namespace,
        host,
        "" if open_to_all else scope.home,
        scope.labels if selecting else NO_LABELS,
    )
    return at if _applying(read, at) else None


def _default_export(read: Read) -> tuple[str, ...]:
    return read.get(mesh).default_destination_rule_export_to


def _applying(read: Read, at: RuleAt) -> list[DestinationRule]:
    rules: tuple[DestinationRule, ...] = read.rows(Table.RULE, (at.namespace, at.host))
    default = _default_export(read)
    seen = [
        rule
        for rule in rules
        if visible(rule.export_to or default, rule.ref.namespace, at.home)
        # A rule for some workloads is its namespace's own, whatever it says.
        and (not rule.workload_selector or (rule.ref.namespace == at.home and rule.workload_selector <= at.labels))
    ]
    return sorted(seen, key=lambda rule: not rule.workload_selector)


def rule(read: Read, at: RuleAt) -> DestinationRule | None:
    """The rule there; several of one host are one: the oldest's policies, the subsets of all, first of a name kept."""
    found = _applying(read, at)
    if len(found) < 2:
        return found[0] if found else None
    first = found[0]
    subsets: dict[str, Subset] = {}
    for each in found:
        for subset in each.subsets:
            subsets.setdefault(subset.name, subset)
    return DestinationRule(
        ref=first.ref,
        host=first.host,
        export_to=first.export_to,
        workload_selector=first.workload_selector,
        policies=first.policies,
        port_policies=first.port_policies,
        subsets=tuple(subsets.values()),
        created=first.created,
    )


def policies_for(found: DestinationRule | None, subset: str, port: int) -> Policies:
    """What a rule says of a subset (``""``: all) on a port: settings of a port replace, those of a subset add.

    What settings of a port have no words for (tunnels, for one) goes on to hold.
    Source: istio-semantics 1.2, the subset's for the port, the subset's, the rule's for the port, the rule's.
    """
    if found is None:
        return NO_POLICIES
    of_port = dict(found.port_policies).get(port)
    of_rule = found.policies if of_port is None else of_port.over(_of_all_ports(found.policies))
    chosen = next((each for each in found.subsets if each.name == subset), None)
    if chosen is None:
        return of_rule
    of_port = dict(chosen.port_policies).get(port)
    if of_port is None:
        return chosen.policies.over(of_rule)
    return of_port.over(_of_all_ports(chosen.policies.over(found.policies)))


def _of_all_ports(policies: Policies) -> Policies:
    kept = (policy.of_all_ports() for policy in policies.that(OfAllPorts))
    return Policies(policy for policy in kept if policy is not None)


def at_server(read: Read, key: ServiceKey, port: int) -> Policies:
    """What a service's rule asks of the proxies of its own workloads, on a port of the service.

    The rule is the one that its own namespace sees; those for chosen callers are none of its business.
    """
    at = read.get(rule_at, key, Scope(key.namespace, key.namespace))
    stated = policies_for(read.get(rule, at), "", port) if at is not None else NO_POLICIES
    return Policies(part for policy in stated.that(AtServer) if (part := policy.at_server()) is not None)


def at_caller(read: Read, at: RuleAt | None, subset: str, port: int) -> tuple[Policy, ...]:
    """What the rule at ``at`` asks of those who call a subset on a port: of their routes and connections."""
    of_host = policies_for(read.get(rule, at), subset, port) if at is not None else NO_POLICIES
    return tuple(part for policy in of_host.that(AtCaller) if (part := policy.at_caller()) is not None)


def of_service(service: Service) -> tuple[Policy, ...]:
    """What a service itself asks of the routes that lead to it."""
    return tuple(part for policy in service.policies.that(AtCaller) if (part := policy.at_caller()) is not None)


def staying(policies: Policies) -> Policies:
    """The policies of a route, of which retries stay with the host that was picked by what the request has."""
    if not any(policy.hashes for policy in policies.that(Hashing)):
        return policies
    return policies.adding(*(policy.staying() for policy in policies.that(Repeating)))


def route_owner(read: Read, hostname: str, home: str, sidecar: ObjectRef | None = None) -> ObjectRef | None:
    """The one VirtualService that routes ``hostname`` for callers in ``home``: the most precise host, then the nearest.

    ``sidecar`` is the Sidecar that says which of them these callers see, if any.

    Source: istio-semantics 1.1, selection order: private to the namespace, exported to it, public; oldest first.
    """
    wildcards: tuple[str, ...] = read.rows(Table.ROUTED_WILDCARD, "")
    default = read.get(mesh).default_virtual_service_export_to
    for host in (hostname, *by_precision(wildcards, hostname)):
        rows: tuple[VirtualService, ...] = read.rows(Table.ROUTED_HOST, host)
        seen = [vs for vs in rows if visible(vs.export_to or default, vs.ref.namespace, home)]
        if sidecar is not None:
            seen = [vs for vs in seen if lets_route(read, home, sidecar, vs)]
        if seen:
            return min(
                seen,
                key=lambda vs: _distance(vs.export_to or default, vs.ref.namespace, home),
            ).ref
    return None


def owner_of(read: Read, host: str, scope: Scope) -> ObjectRef | None:
    """The VirtualService that routes a host for callers of a scope."""
    if scope.sidecar is None:
        return read.get(route_owner, host, scope.home)
    return read.get(route_owner, host, scope.home, scope.sidecar)


def exported_to_all(read: Read, routed: VirtualService) -> bool:
    """Whether a VirtualService is for callers of all namespaces."""
    return "*" in (routed.export_to or read.get(mesh).default_virtual_service_export_to)


def _distance(export_to: tuple[str, ...], owner: str, home: str) -> int:
    if "*" in export_to:
        return 2
    return 0 if owner == home else 1
