"""DestinationRules: hosts that do not exist or have two rules, subsets that select nothing."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.endpoint import EndpointKey
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef
from xds.model.service import DestinationRule, Service
from xds.model.snapshot import Table
from xds.view.attach import matches
from xds.view.endpoints import endpoints
from xds.view.graph import Read
from xds.view.scope import resolved_service, visible_services


def check(read: Read, key: tuple[str, str]) -> tuple[Problem, ...]:
    """What is wrong with the rules that a namespace has for a host."""
    rules: tuple[DestinationRule, ...] = read.rows(Table.RULE, key)
    return tuple(problem for each in rules for problem in (*_twice(rules, each), *_target(read, each)))


def _twice(rules: tuple[DestinationRule, ...], each: DestinationRule) -> Iterator[Problem]:
    first = next((other for other in rules if other.workload_selector == each.workload_selector), each)
    if first is each:
        return
    at = FieldRef(each.ref, ("spec", "host"))
    lost = "its trafficPolicy has no effect, its subsets are added" if each.policies else "its subsets are added"
    message = f"{each.host} has {first.ref} already, which is older and wins: {lost}"
    yield Problem(at, "destination-rule.host-twice", message, Severity.WARNING)
    known = {subset.name for subset in first.subsets}
    for index, subset in enumerate(each.subsets):
        if subset.name in known:
            here = FieldRef(each.ref, ("spec", "subsets", index, "name"))
            yield Problem(here, "subset.twice", f"{first.ref} defines subset {subset.name!r} already, and wins")


def _target(read: Read, each: DestinationRule) -> Iterator[Problem]:
    home = each.ref.namespace
    at = FieldRef(each.ref, ("spec", "host"))
    if each.host.startswith("*"):
        if not any(matches(each.host, key.hostname) for key in read.get(visible_services, home)):
            yield Problem(at, "destination-rule.host-unknown", f"no service matches {each.host}", Severity.WARNING)
        return
    service = resolved_service(read, each.host, home)
    if service is None:
        message = f"no service is named {each.host}; the rule has no effect"
        yield Problem(at, "destination-rule.host-unknown", message, Severity.WARNING)
        return
    for port, _ in each.port_policies:
        if service.port(port) is None:
            here = FieldRef(each.ref, ("spec", "trafficPolicy", "portLevelSettings"))
            message = f"{each.host} has no port {port}; its settings have no effect"
            yield Problem(here, "port-settings.port-unknown", message, Severity.WARNING)
    yield from _empty_subsets(read, service, each)


def _empty_subsets(read: Read, service: Service, each: DestinationRule) -> Iterator[Problem]:
    every = [
        endpoint
        for port in service.ports
        for endpoint in read.get(endpoints, EndpointKey(service.hostname, service.namespace, port.number))
    ]
    if not any(endpoint.labels for endpoint in every):
        return  # without pods nobody can say what a subset selects
    for index, subset in enumerate(each.subsets):
        if not any(subset.labels <= endpoint.labels for endpoint in every):
            at = FieldRef(each.ref, ("spec", "subsets", index, "labels"))
            wanted = ", ".join(f"{key}={value}" for key, value in sorted(subset.labels))
            message = f"no endpoint of {each.host} has {wanted}; requests for subset {subset.name!r} get 503"
            yield Problem(at, "subset.empty", message, Severity.WARNING)
