"""The last hour: what is counted once, what is told of it, and what bounds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.telemetry.told import Call, Clock, counter, mesh, pod, proxy, requests, tell
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.slices import at_once
from xds.telemetry import last_hour
from xds.telemetry.known import ToldEdge, Wanted
from xds.telemetry.signals import Signals
from xds.telemetry.telemetry import Telemetry

MESH = mesh(pod("web", proxied=True), pod("db", proxied=True), pod("bare", proxied=False))
DB = "db.shop.svc.cluster.local"


def telemetry(snapshot: Snapshot = MESH, connected: Iterable[Proxy] = ()) -> tuple[Telemetry, Clock]:
    clock = Clock()
    return Telemetry(lambda: snapshot, lambda: connected, clock), clock


def graph(of: Telemetry, window_s: float = 3600) -> dict[tuple[str, str], ToldEdge]:
    found = at_once(of.known.graph(window_s, Wanted()))
    edges = {edge.key[:2]: edge for edge in found}
    assert len(edges) == len(found)
    return edges


def test_the_signals_of_an_edge() -> None:
    hour, clock = telemetry()
    call = Call(more={"destination_version": "v1", "source_version": "v2"})
    sizes = [counter("istio_requests_total", call.labels(response_code="503", response_flags="UH"), 5)]
    tell(hour, "web", [*requests(call, 90, "200", [30.0] * 50 + [200.0] * 50), *requests(call, 5, "404"), *sizes])
    clock.now += 10
    [edge] = graph(hour, 60).values()
    assert edge.key == ("shop/web", "shop/db", DB, "http")
    assert edge.security == "mutual_tls"
    signals = edge.signals
    assert (signals.requests, signals.errors_4xx, signals.errors_5xx, signals.error_share) == (100, 5, 5, 0.05)
    assert signals.p50_ms == 50.0
    assert 100 < (signals.p95_ms or 0) <= 250
    assert signals.rate == 10.0
    assert hour.known.node("shop/db")[1] == "v1"
    assert hour.known.node("shop/web")[1] == "v2"


def test_requests_at_work_at_once_are_what_they_took_by_the_time() -> None:
    hour, clock = telemetry()
    clock.now = clock.now // 10 * 10
    tell(hour, "web", requests(Call(), 30, "200", [500.0] * 30))
    clock.now += 10
    assert [edge.signals.in_flight for edge in graph(hour, 10).values()] == [1.5]
    tell(hour, "web", requests(Call(), 30, "200", [500.0] * 30))
    [edge] = graph(hour, 10).values()
    assert (edge.signals.requests, edge.signals.rate) == (60, 3.0)
    assert edge.signals.in_flight == 1.5, "the step is not over"
    [service] = at_once(hour.known.services(10, Wanted()))
    assert service.signals.in_flight == 1.5
    clock.now += 10
    assert [edge.signals.in_flight for edge in graph(hour, 20).values()] == [1.5]
    assert [signals.in_flight for _, signals in series(hour, 60, Wanted(service=DB))[1]] == [1.5, 1.5]


def test_what_was_turned_away_for_want_of_room() -> None:
    hour, _ = telemetry()
    for code, flags in (("503", "UO"), ("503", "URX,UO"), ("503", "OM"), ("503", "UH"), ("429", "RL"), ("200", "-")):
        tell(hour, "web", requests(Call(), 2, code, response_flags=flags))
    tell(hour, "web", requests(Call(protocol="grpc", service="x"), 2, grpc_response_status="14", response_flags="UO"))
    found = at_once(hour.known.graph(60, Wanted()))
    assert [(edge.key.protocol, edge.signals.overloaded, edge.signals.errors_5xx) for edge in found] == [
        ("http", 6, 8),
        ("grpc", 2, 2),
    ]


def test_of_its_version_a_workload_is_believed_before_others() -> None:
    hour, _ = telemetry()
    tell(hour, "web", requests(Call(more={"destination_version": "v1"}), 1))
    assert hour.known.node("shop/db")[1] == "v1"
    tell(hour, "db", requests(Call("db", "web", more={"source_version": "v2"}), 1))
    tell(hour, "web", requests(Call(service="other", more={"destination_version": "v3"}), 1))
    assert hour.known.node("shop/db")[1] == "v2"


def test_both_sides_report_and_one_is_counted() -> None:
    hour, clock = telemetry()
    tell(hour, "web", requests(Call(), 10))
    tell(hour, "db", requests(Call(reporter="destination"), 10))
    clock.now += 600
    assert [(ends, edge.signals.requests) for ends, edge in graph(hour).items()] == [(("shop/web", "shop/db"), 10)]


def test_who_has_no_proxy_is_counted_where_it_calls() -> None:
    hour, _ = telemetry()
    tell(hour, "db", requests(Call(reporter="destination", principal="spiffe://cluster.local/ns/shop/sa/bare"), 3))
    tell(hour, "db", requests(Call(reporter="destination", principal="spiffe://other/ns/shop/sa/web"), 4))
    tell(hour, "db", requests(Call(reporter="destination", secure=False), 5))
    found = {ends: (edge.signals.requests, edge.security) for ends, edge in graph(hour).items()}
    assert found == {
        ("shop/bare", "shop/db"): (3, "mutual_tls"),
        ("external:spiffe://other/ns/shop/sa/web", "shop/db"): (4, "mutual_tls"),
        ("unknown", "shop/db"): (5, "none"),
    }


def test_a_machine_that_counts_is_counted_by_itself() -> None:
    hour, _ = telemetry()
    tell(hour, "vm", requests(Call(source="vm"), 2))
    tell(hour, "db", requests(Call(reporter="destination", principal="spiffe://cluster.local/ns/shop/sa/vm"), 2))
    assert [(ends[0], edge.signals.requests) for ends, edge in graph(hour).items()] == [("shop/vm", 2)]


def test_plaintext_of_our_own_is_not_counted_twice() -> None:
    hour, _ = telemetry()
    tell(hour, "db", requests(Call(reporter="destination", secure=False), 10))
    tell(hour, "web", requests(Call(secure=False), 10))
    assert [(ends[0], edge.security) for ends, edge in graph(hour).items()] == [("shop/web", "none")]
    [service] = at_once(hour.known.services(60, Wanted()))
    assert (service.host, service.namespace, service.signals.requests) == (DB, "shop", 10)
    assert (service.callers, service.workloads) == (("shop/web",), ("shop/db",))


def test_a_request_that_never_arrived_says_nothing_of_encryption() -> None:
    hour, _ = telemetry()
    tell(hour, "web", requests(Call(secure=False), 10, "503", response_flags="UF"))
    tell(hour, "web", requests(Call(destination="", secure=False), 1, "503", response_flags="UH"))
    tell(hour, "web", requests(Call(destination="", service="api.example.org", secure=False), 1))
    assert {ends[1]: edge.security for ends, edge in graph(hour).items()} == {
        "shop/db": "unknown",
        f"unknown:{DB}": "unknown",
        "external:api.example.org": "unknown",
    }


def test_a_connection_that_was_reported_before_its_handshake_is_the_callers_to_count() -> None:
    hour, _ = telemetry()
    labels = Call(reporter="destination", protocol="tcp").labels() | {"source_principal": ""}
    tell(hour, "db", [counter("istio_tcp_connections_opened_total", labels, 1)])
    assert graph(hour) == {}


@pytest.mark.parametrize(("status", "errors"), [("0", (0, 0)), ("14", (0, 1)), ("5", (1, 0)), ("-", (0, 0))])
def test_grpc_fails_by_its_status(status: str, errors: tuple[int, int]) -> None:
    hour, _ = telemetry()
    tell(hour, "web", requests(Call(protocol="grpc"), 1, grpc_response_status=status))
    [edge] = graph(hour).values()
    assert (edge.signals.errors_4xx, edge.signals.errors_5xx) == errors


def test_connections_and_their_bytes() -> None:
    hour, clock = telemetry()
    labels = Call(protocol="tcp").labels()
    opened = counter("istio_tcp_connections_opened_total", labels, 5)
    sent, received = (
        counter(f"istio_tcp_{way}_bytes_total", labels, size) for way, size in (("sent", 10), ("received", 20))
    )
    tell(hour, "web", [counter("istio_tcp_connections_closed_total", labels, 2), opened, sent, received])
    [edge] = graph(hour).values()
    signals = edge.signals
    assert (signals.connections_opened, signals.connections_open, edge.security) == (5, 3, "mutual_tls")
    assert signals.in_flight == 3
    assert (signals.bytes_sent, signals.bytes_received) == (20, 10)  # as the caller sees it
    tell(hour, "web", [counter("istio_tcp_connections_closed_total", labels, 9)])
    assert [edge.signals.connections_open for edge in graph(hour).values()] == [0]
    tell(hour, "web", [counter("istio_tcp_connections_opened_total", labels, 4)])
    clock.now += 200
    tell(hour, "db", [])
    assert [edge.signals.connections_open for edge in graph(hour).values()] == [0], "it went, and they with it"
    assert [edge.signals.connections_opened for edge in graph(hour).values()] == [9], "what was counted stays"


def opened(hour: Telemetry, number: int) -> None:
    tell(hour, "web", [counter("istio_tcp_connections_opened_total", Call(protocol="tcp").labels(), number)])


def open_now(hour: Telemetry) -> int:
    return sum(edge.signals.connections_open for edge in graph(hour).values())


def test_a_sidecar_that_was_started_anew_has_no_connections() -> None:
    hour, _ = telemetry(connected=[proxy("web")])
    hour.came(proxy("web"), anew=True)
    opened(hour, 5)
    hour.came(proxy("db"), anew=True)
    hour.came(proxy("web"), anew=False)
    assert open_now(hour) == 5, "another stream of the same one"
    hour.came(proxy("web"), anew=True)
    assert open_now(hour) == 0
    opened(hour, 2)
    assert open_now(hour) == 2


def test_connections_of_who_is_idle_stay_until_it_has_left() -> None:
    connected = {proxy("web"), proxy("db")}
    hour, clock = telemetry(connected=connected)
    opened(hour, 5)
    for _ in range(10):
        clock.now += 100
        tell(hour, "db", [])
    assert open_now(hour) == 5
    other = replace(proxy("web"), labels=frozenset({("version", "v2")}))
    hour.left([other])
    assert open_now(hour) == 5, "it was the same one with other labels"
    connected.discard(proxy("web"))
    hour.left([proxy("web")])
    assert open_now(hour) == 0


def test_a_machine_that_is_idle_is_still_one_that_counts_itself() -> None:
    hour, clock = telemetry(connected=[proxy("vm")])
    hour.came(proxy("vm"), anew=True)
    for _ in range(10):
        clock.now += 100
        tell(hour, "db", [])
    tell(hour, "db", requests(Call(reporter="destination", principal="spiffe://cluster.local/ns/shop/sa/vm"), 2))
    assert graph(hour) == {}, "its own word is still to come"


def test_what_is_older_than_the_window_is_not_told_and_after_an_hour_forgotten() -> None:
    hour, clock = telemetry()
    tell(hour, "web", requests(Call(), 7))
    clock.now += 120
    assert graph(hour, 60) == {}
    assert [edge.signals.requests for edge in graph(hour, 180).values()] == [7]
    clock.now += 3000
    assert [edge.signals.requests for edge in graph(hour, 3600).values()] == [7]
    clock.now += 700
    tell(hour, "db", [])
    assert graph(hour) == {}
    assert len(hour.known.hour) == 0


def series(hour: Telemetry, window_s: float, wanted: Wanted) -> tuple[int, list[tuple[float, Signals]]]:
    step_s, steps = at_once(hour.known.steps(window_s, wanted))
    return step_s, [(at, total.signals(step_s)) for at, total in steps]


def test_steps_of_a_service_and_of_a_workload() -> None:
    hour, clock = telemetry()
    clock.now = clock.now // 10 * 10
    for number in range(3):
        tell(hour, "web", requests(Call(), 10 * (number + 1), took_ms=[3.0]))
        clock.now += 10
    for wanted in (Wanted(service=DB), Wanted(workload="shop/db"), Wanted(workload="shop/web", outgoing=True)):
        step_s, points = series(hour, 60, wanted)
        assert (step_s, [signals.requests for _, signals in points]) == (10, [10, 20, 30])
        assert points[-1][0] == clock.now - 10
    assert series(hour, 60, Wanted(workload="shop/web"))[1][0][1].requests == 0
    clock.now += 600
    step_s, points = series(hour, 3600, Wanted(service=DB))
    assert (step_s, sum(signals.requests for _, signals in points)) == (60, 60)


def test_steps_leave_out_unknown_callers_of_whom_others_are_known_to_speak_plaintext_to() -> None:
    hour, clock = telemetry()
    clock.now = clock.now // 10 * 10
    tell(hour, "db", requests(Call(reporter="destination", secure=False), 30))
    clock.now += 10
    for plain, counted in ((frozenset[str](), 30), (frozenset({"shop/db"}), 0)):
        _, points = series(hour, 60, Wanted(service=DB, plain=plain))
        assert sum(signals.requests for _, signals in points) == counted


def test_too_many_edges_share_one_and_totals_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_hour, "MAX_OF_NAMESPACE", 5)
    hour, _ = telemetry()
    for number in range(20):
        tell(hour, "web", requests(Call(destination="", service=f"{number}.example.org"), 1))
    assert len(hour.known.hour) == 6
    assert hour.known.hour.folded == 15
    assert sum(edge.signals.requests for edge in graph(hour).values()) == 20


def test_a_clock_that_goes_back() -> None:
    hour, clock = telemetry()
    tell(hour, "web", requests(Call(), 1))
    clock.now -= 50
    tell(hour, "web", requests(Call(), 1))
    clock.now += 60
    assert [edge.signals.requests for edge in graph(hour).values()] == [2]


TOLD = st.tuples(
    st.sampled_from(["web", "db"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from(["200", "404", "503", "0"]),
    st.integers(1, 1000),
    st.integers(0, 90),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(TOLD, max_size=30))
def test_totals_are_the_sums_of_what_was_told(told: list[tuple[str, str, str, int, int]]) -> None:
    hour, clock = telemetry()
    wanted = Counter[tuple[str, str]]()
    failed = 0
    for source, destination, code, number, later in told:
        tell(hour, source, requests(Call(source, destination), number, code))
        tell(hour, destination, requests(Call(source, destination, reporter="destination"), number, code))
        wanted[(f"shop/{source}", f"shop/{destination}")] += number
        failed += number if code == "503" else 0
        clock.now += later
    edges = graph(hour)
    assert {ends: edge.signals.requests for ends, edge in edges.items()} == dict(wanted)
    assert sum(edge.signals.errors_5xx for edge in edges.values()) == failed
    services = at_once(hour.known.services(3600, Wanted()))
    assert sum(service.signals.requests for service in services) == sum(wanted.values())
    clock.now += 60  # all steps are over
    points = series(hour, 3600, Wanted(service=DB))[1]
    assert sum(signals.requests for _, signals in points) == sum(wanted.values())
