"""Whatever is written: no decoder, no maker and no translator fails, and what is said of it is in the API's words."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway_api_histories import gateway_objects
from tests.histories import services
from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.analyze import analyze
from xds.model.conditions import Condition
from xds.model.snapshot import ALL, Input, Table
from xds.view.gateway_api.backend_tls import policy_status
from xds.view.gateway_api.bound import connections, http_hosts, servers
from xds.view.gateway_api.status import gateway_status, listener_set_status, route_status
from xds.view.graph import Graph, call

REASONS = {
    "Accepted": {
        *("Accepted", "ListenersNotValid", "UnsupportedAddress", "InvalidParameters", "PortUnavailable"),
        *("UnsupportedProtocol", "UnsupportedValue", "NoValidCACertificate", "HostnameConflict", "ProtocolConflict"),
        *("NotAllowedByListeners", "NoMatchingListenerHostname", "NoMatchingParent", "IncompatibleFilters"),
        *("Conflicted", "Invalid", "TargetNotFound", "NotAllowed", "ParentNotAccepted"),
    },
    "Programmed": {
        *("Programmed", "Invalid", "Pending", "AddressNotAssigned", "NotAllowed", "ParentNotAccepted"),
        *("ListenersNotValid", "HostnameConflict", "ProtocolConflict"),
    },
    "ResolvedRefs": {
        *("ResolvedRefs", "ListenersNotResolved", "RefNotPermitted", "InvalidClientCertificateRef", "InvalidKind"),
        *("InvalidCertificateRef", "InvalidRouteKinds", "InvalidCACertificateRef", "InvalidCACertificateKind"),
        "BackendNotFound",
    },
    "Conflicted": {"NoConflicts", "HostnameConflict", "ProtocolConflict"},
    "OverlappingTLSConfig": {"OverlappingHostnames"},
    "PartiallyInvalid": {"UnsupportedValue"},
    "InsecureFrontendValidationMode": {"ConfigurationChanged"},
}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(gateway_objects, gateway_objects, gateway_objects, services()), max_size=12))
def test_nothing_fails(plain: list[dict[str, Any]]) -> None:
    builder = Builder()
    snapshot = applied(builder, [made(each) for each in plain]).snapshot
    analyze(snapshot, builder.problems)
    assert not [each for each in builder.problems if each.code.startswith("internal.")]
    graph = Graph(snapshot)
    said: list[Condition] = []
    for gateway in snapshot.read(Input(Table.API_GATEWAY, ALL)):
        status = graph.get(call(gateway_status, gateway))
        if status is not None:
            said += [*status.conditions, *(each for one in status.listeners for each in one.conditions)]
        for server in graph.get(call(servers, gateway)):
            hosts = [each.host for each in graph.get(call(http_hosts, gateway, server))]
            assert len(hosts) == len(set(hosts))
            graph.get(call(connections, gateway, server))
    for ref in snapshot.read(Input(Table.LISTENER_SET, ALL)):
        status = graph.get(call(listener_set_status, ref))
        if status is not None:
            said += [*status.conditions, *(each for one in status.listeners for each in one.conditions)]
    for table, maker in ((Table.API_ROUTE, route_status), (Table.BACKEND_TLS_POLICY, policy_status)):
        for ref in snapshot.read(Input(table, ALL)):
            said += [each for parent in graph.get(call(maker, ref)) for each in parent.conditions]
    assert not [each for each in said if each.reason not in REASONS[each.type]]
