"""Reports of several control planes, and Events on objects, on a real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.kube.api_server import ApiServer
from tests.kube.policy_server import apply_services, get, policy_server, reviews, running
from tests.kube.waiting import until_there
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.controllers.object_events import ObjectEvents
from xds.controllers.replica import Replica
from xds.controllers.reports import ReportReader, ReportWriter
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef

REF = reviews()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    yield from policy_server(tmp_path_factory)


class Proxies:
    """One control plane's part of the mesh."""

    def __init__(self, live: int, total: int, *rejections: RejectedBy) -> None:
        self.count = LiveCount(live, total, rejections)
        self.generation = 1
        self.rounds = 0

    async def generations(self) -> Mapping[ObjectRef, int]:
        return {REF: self.generation}

    async def live(self) -> Mapping[ObjectRef, LiveCount]:
        self.rounds += 1
        return {REF: self.count} if self.count.total else {}

    def ca(self) -> Mapping[str, Any]:
        return {"ca_version": "7", "blocked_by": []}

    def writer(self, server: ApiServer, pod: str) -> ReportWriter:
        return ReportWriter(server.client(), Replica("default", pod, "r1"), self.generations, self.live, self.ca)


def make_pod(server: ApiServer, name: str) -> str:
    server.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [{"name": "c", "image": "none"}]},
        }
    )
    return str(get(server, "pod", name)["metadata"]["uid"])


async def test_the_counts_of_all_control_planes_are_added(server: ApiServer) -> None:
    uid = make_pod(server, "plait-1")
    one, other = Proxies(2, 2), Proxies(1, 3, RejectedBy("web.shop", "bad", "route"))
    reader = ReportReader(server.client(), "default", "r1")
    writers = [one.writer(server, "plait-1"), other.writer(server, "plait-2")]
    async with running(writers[0].run), running(writers[1].run), running(reader.run):
        await until_there(lambda: (reader.counts or {}).get(REF) == LiveCount(3, 5, other.count.rejections, 1))
        assert reader.ca == {pod: {"ca_version": "7", "blocked_by": []} for pod in ("plait-1", "plait-2")}
        one.count, one.generation = LiveCount(0, 2), 2
        await until_there(lambda: (reader.counts or {}).get(REF) == LiveCount(1, 5, other.count.rejections, 1))
    found = get(server, "configmap", "plait-report-plait-1")
    assert found["metadata"]["labels"] == {"app.kubernetes.io/part-of": "plait", "plait/report": "r1"}
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Pod", "plait-1", uid)
    assert "ownerReferences" not in get(server, "configmap", "plait-report-plait-2")["metadata"]


async def test_reports_of_the_dead_and_of_strangers_do_not_count(server: ApiServer) -> None:
    alive = Proxies(1, 1)
    old = {"plait/renewed": "2026-01-01T00:00:00+00:00"}
    labels = {"app.kubernetes.io/part-of": "plait", "plait/report": "r1"}
    counts = {"networking.istio.io/VirtualService": {"default": {"reviews": [9, 9, 1]}}}
    dead = {"objects": counts, "rejections": [], "ca": {}, "dropped": 0}
    for name, data in (("dead", json.dumps(dead)), ("garbage", "[1,2"), ("odd", '{"objects": 3}')):
        metadata = {"name": f"plait-report-{name}", "namespace": "default", "labels": labels, "annotations": old}
        server.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"report.json": data}})
    for name in ("plait-1", "plait-2"):
        server.kubectl("delete", "configmap", f"plait-report-{name}", "--ignore-not-found")
    reader = ReportReader(server.client(), "default", "r1")
    async with running(alive.writer(server, "plait-3").run), running(reader.run):
        await until_there(lambda: (reader.counts or {}).get(REF) == LiveCount(1, 1, (), 1))
        server.kubectl("delete", "configmap", "plait-report-plait-3")
        alive.count = LiveCount(0, 1)
        await until_there(lambda: (reader.counts or {}).get(REF) == LiveCount(0, 1, (), 1))


async def test_what_does_not_change_is_not_written_but_for_a_sign_of_life(server: ApiServer) -> None:
    steady = Proxies(1, 1)

    def version() -> str:
        return str(get(server, "configmap", "plait-report-plait-4")["metadata"]["resourceVersion"])

    async with running(steady.writer(server, "plait-4").run):
        await until_there(lambda: "plait-report-plait-4" in server.kubectl("get", "configmap").stdout)
        before, rounds = version(), steady.rounds
        await until_there(lambda: steady.rounds >= rounds + 2)
        assert version() == before
        await until_there(lambda: version() != before)


def events_of(server: ApiServer, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    found = get(server, "events", "--field-selector", f"involvedObject.name={name}")
    return {(each["type"], each["reason"]): each for each in found["items"]}


async def test_refused_objects_have_events(server: ApiServer) -> None:
    apply_services(server, "reviews", "ratings")
    trouble = Problem(FieldRef(REF, ("spec", "http", 0)), "field.integer", "must be a whole number")
    problems, counts = [trouble], dict[ObjectRef, LiveCount]()

    def events(pod: str) -> ObjectEvents:
        return ObjectEvents(server.client(), Replica("default", pod), lambda: problems, lambda: counts)

    async with running(events("plait-1").run):
        await until_there(lambda: ("Warning", "field.integer") in events_of(server, "reviews"))
        described = server.kubectl("describe", "virtualservice", "reviews").stdout
        assert "spec.http[0]: must be a whole number [field.integer]" in described
        problems.clear()
        await until_there(lambda: ("Normal", "Accepted") in events_of(server, "reviews"))
        problems.append(trouble)
        await until_there(lambda: events_of(server, "reviews")["Warning", "field.integer"]["count"] == 2)
        counts[reviews("ratings")] = LiveCount(0, 1, (RejectedBy("web.shop", "no such cluster", "route"),))
        await until_there(lambda: ("Warning", "Rejected") in events_of(server, "ratings"))
    async with running(events("plait-2").run):  # the next leader does not say it again, but what is new
        problems.append(Problem(FieldRef(reviews("ratings")), "host.unknown", "is nowhere"))
        await until_there(lambda: ("Warning", "host.unknown") in events_of(server, "ratings"))
    assert events_of(server, "reviews")["Warning", "field.integer"]["count"] == 2
    message = events_of(server, "ratings")["Warning", "Rejected"]["message"]
    assert message == "rejected by web.shop: no such cluster (resource route)"


async def test_a_storm_is_held_back(server: ApiServer) -> None:
    apply_services(server, "storm")
    problems = [Problem(FieldRef(reviews("storm")), f"code.{n}", "is wrong") for n in range(90)]
    events = ObjectEvents(server.client(), Replica("default", "plait-1"), lambda: problems, dict)
    async with running(events.run):
        await until_there(lambda: len(events_of(server, "storm")) >= 50)
        assert len(events_of(server, "storm")) < 75
        await until_there(lambda: len(events_of(server, "storm")) == 90)
