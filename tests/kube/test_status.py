"""Conditions on objects of a real API server: ours are kept up to date, others' are left alone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from tests.kube.api_server import ApiServer
from tests.kube.policy_server import InForce, apply_services, conditions_of, get, policy_server, reviews, running
from tests.kube.waiting import until_there
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.controllers.status import StatusWriter
from xds.events import Event
from xds.model.problem import Problem
from xds.model.refs import FieldRef, ObjectRef

FOREIGN = {"type": "Reconciled", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    yield from policy_server(tmp_path_factory)


class Mesh:
    """What a leader knows, set by a test."""

    def __init__(self, *objects: InForce) -> None:
        self.objects = list(objects)
        self.problems: list[Problem] = []
        self.counts: dict[ObjectRef, LiveCount] | None = {}

    def writer(self, server: ApiServer, revision: str = "default") -> StatusWriter:
        return StatusWriter(
            server.client(),
            revision,
            lambda group, kind: [each for each in self.objects if (each.ref.group, each.ref.kind) == (group, kind)],
            lambda: self.problems,
            lambda: self.counts,
        )


def count(live: int, total: int, *rejections: RejectedBy, generation: int = 1) -> LiveCount:
    return LiveCount(live, total, rejections, generation)


def problem(ref: ObjectRef, message: str = "must be a whole number") -> Problem:
    return Problem(FieldRef(ref, ("spec", "http", 0, "retries")), "field.integer", message)


async def test_an_object_says_whether_it_is_accepted_and_live(server: ApiServer) -> None:
    apply_services(server, "says")
    ref = reviews("says")
    mesh = Mesh(InForce(ref))
    mesh.counts = {ref: count(3, 5)}
    async with running(mesh.writer(server).run):
        await until_there(lambda: "Live" in conditions_of(server, "says"))
        found = conditions_of(server, "says")
        accepted, live = found["Accepted"], found["Live"]
        assert (accepted["status"], accepted["reason"], accepted["observedGeneration"]) == ("True", "Accepted", 1)
        assert (live["status"], live["reason"], live["message"]) == ("False", "Waiting", "Live 3 of 5")
        mesh.counts = {ref: count(3, 5, RejectedBy("web-1.shop", "no such\ncluster", "a"))}
        await until_there(lambda: conditions_of(server, "says")["Live"]["reason"] == "Rejected")
        said = conditions_of(server, "says")["Live"]
        assert said["message"] == "Live 3 of 5; rejected by web-1.shop: no such cluster"
        assert said["lastTransitionTime"] == live["lastTransitionTime"], "it was not live before either"
        mesh.counts = {ref: count(5, 5)}
        await until_there(lambda: conditions_of(server, "says")["Live"]["message"] == "Live 5 of 5")
        assert conditions_of(server, "says")["Live"]["status"] == "True"


async def test_a_refused_object_says_why_and_what_was_in_force_before(server: ApiServer) -> None:
    apply_services(server, "refused", "never")
    mesh = Mesh(InForce(reviews("refused")))
    mesh.counts = {reviews("refused"): count(2, 2)}
    mesh.problems = [problem(reviews("refused")), problem(reviews("never"))]
    server.kubectl("patch", "virtualservice", "refused", "--type=merge", "-p", '{"spec":{"hosts":["b"]}}')
    async with running(mesh.writer(server).run):
        await until_there(lambda: {"Accepted", "Live"} <= conditions_of(server, "refused").keys())
        found = conditions_of(server, "refused")
        assert (found["Accepted"]["status"], found["Accepted"]["reason"]) == ("False", "field.integer")
        assert found["Accepted"]["message"] == "spec.http[0].retries: must be a whole number [field.integer]"
        assert found["Accepted"]["observedGeneration"] == 2
        assert (found["Live"]["message"], found["Live"]["observedGeneration"]) == ("Live 2 of 2", 1)
        await until_there(lambda: "Live" in conditions_of(server, "never"))
        assert conditions_of(server, "never")["Live"]["reason"] == "NotAccepted"


async def test_what_others_wrote_stays_and_revisions_do_not_fight(server: ApiServer) -> None:
    apply_services(server, "shared")
    status = {"status": {"conditions": [FOREIGN], "validationMessages": [{"level": "INFO"}]}}
    server.kubectl(
        "patch", "virtualservice", "shared", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    mesh, canary = Mesh(InForce(reviews("shared"))), Mesh(InForce(reviews("shared")))
    mesh.counts, canary.counts = {reviews("shared"): count(1, 1)}, {reviews("shared"): count(0, 7)}
    async with running(mesh.writer(server).run), running(canary.writer(server, "canary").run):
        await until_there(lambda: len(conditions_of(server, "shared")) == 5)
    found = conditions_of(server, "shared")
    assert found["Reconciled"] == FOREIGN
    assert found["Live"]["message"] == "Live 1 of 1"
    assert found["canary.plait/Live"]["message"] == "Live 0 of 7"
    assert get(server, "virtualservice", "shared")["status"]["validationMessages"] == [{"level": "INFO"}]


async def test_the_next_leader_writes_nothing_that_is_there(server: ApiServer) -> None:
    names = [f"many-{n}" for n in range(30)]
    apply_services(server, *names)
    mesh = Mesh(*(InForce(reviews(name)) for name in names))
    mesh.counts = {reviews(name): count(1, 1) for name in names}
    mesh.problems = [problem(reviews("many-3"))]
    first, began = mesh.writer(server), time.monotonic()
    async with running(first.run):
        await until_there(lambda: first.writes >= 30)
        assert time.monotonic() - began > 1.0, "not more than 20 a second"
    versions = {name: get(server, "virtualservice", name)["metadata"]["resourceVersion"] for name in names[:5]}
    second = mesh.writer(server)
    async with running(second.run):
        mesh.counts[reviews("many-28")] = count(0, 1)  # a proxy that has just come back, as after a restart
        mesh.counts[reviews("many-29")] = count(0, 1, RejectedBy("web-1.shop", "no", "a"))
        await until_there(lambda: conditions_of(server, "many-29")["Live"]["reason"] == "Rejected")
    assert second.writes == 1
    assert conditions_of(server, "many-28")["Live"]["message"] == "Live 1 of 1"
    assert versions == {name: get(server, "virtualservice", name)["metadata"]["resourceVersion"] for name in names[:5]}


async def test_counts_of_an_older_content_are_not_told_of_a_newer(server: ApiServer) -> None:
    apply_services(server, "edited")
    ref = reviews("edited")
    mesh = Mesh(InForce(ref))
    mesh.counts = {ref: count(4, 4)}
    writer = mesh.writer(server)
    async with running(writer.run):
        await until_there(lambda: "Live" in conditions_of(server, "edited"))
        server.kubectl("patch", "virtualservice", "edited", "--type=merge", "-p", '{"spec":{"hosts":["c"]}}')
        mesh.objects = [InForce(ref, 2)]
        await until_there(lambda: conditions_of(server, "edited")["Accepted"]["observedGeneration"] == 2)
        assert conditions_of(server, "edited")["Live"]["observedGeneration"] == 1
        mesh.counts = {ref: count(1, 4, generation=2)}
        await until_there(lambda: conditions_of(server, "edited")["Live"]["message"] == "Live 1 of 4")


async def test_kinds_without_status_and_objects_that_are_gone_are_passed_over(server: ApiServer) -> None:
    apply_services(server, "there")
    peer = ObjectRef("security.istio.io", "PeerAuthentication", "default", "strict")
    absent = ObjectRef("networking.istio.io", "ServiceEntry", "default", "no-such-kind")
    server.apply(
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "PeerAuthentication",
            "metadata": {"name": "strict", "namespace": "default"},
            "spec": {},
        }
    )
    mesh = Mesh(InForce(reviews("gone")), InForce(peer), InForce(absent), InForce(reviews("there")))
    async with running(mesh.writer(server).run):
        await until_there(lambda: "Accepted" in conditions_of(server, "there"))
    assert "status" not in get(server, "peerauthentication", "strict")


async def test_a_conflict_is_tried_again(server: ApiServer) -> None:
    apply_services(server, "contended")
    ref = reviews("contended")
    mesh = Mesh(InForce(ref))
    mesh.counts = {ref: count(0, 2)}
    writer = mesh.writer(server)
    body = {"metadata": {"resourceVersion": "1"}, "status": {"conditions": []}}
    done = server.kubectl(
        "patch", "virtualservice", "contended", "--subresource=status", "--type=merge", "-p", json.dumps(body),
        check=False,
    )  # fmt: skip
    assert "Conflict" in done.stderr or "conflict" in done.stderr, "resourceVersion in a merge patch is a precondition"
    async with running(writer.run):
        for step in range(12):  # somebody else writes all the time
            server.kubectl("annotate", "virtualservice", "contended", "--overwrite", f"step={step}")
            mesh.counts = {ref: count(step % 2, 2)}
        mesh.counts = {ref: count(2, 2)}
        await until_there(lambda: conditions_of(server, "contended").get("Live", {}).get("message") == "Live 2 of 2")


async def test_an_api_server_that_is_away_for_a_while_is_waited_for(server: ApiServer) -> None:
    apply_services(server, "patient")
    ref = reviews("patient")
    mesh = Mesh(InForce(ref))
    mesh.counts = {ref: count(1, 2)}
    async with running(mesh.writer(server).run):
        await until_there(lambda: "Live" in conditions_of(server, "patient"))
        await asyncio.to_thread(server.stop)
        mesh.counts = {ref: count(2, 2)}
        with capture_logs() as logs:
            await until_there(lambda: [each for each in logs if each["event"] == Event.STATUS_NOT_WRITTEN])
        await asyncio.to_thread(server.start)
        await until_there(lambda: conditions_of(server, "patient")["Live"]["message"] == "Live 2 of 2", 40)
