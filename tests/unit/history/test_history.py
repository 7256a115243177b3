"""What the history says of generations: objects, resources, proxies, answers; and what it keeps of former contents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.objects import made
from tests.protocol.clients import cluster, route
from xds.history.former import Former, is_kept, manifest
from xds.history.history import MOST, History
from xds.history.page import page
from xds.model.refs import ObjectRef, Origin
from xds.server import Answer, Node
from xds.server.batch import Batch
from xds.slices import at_once
from xds.sources.changes import AuthoredObject
from xds.wire.resource import ResourceSet, Table
from xds.wire.type_urls import CLUSTER, ROUTE

REVIEWS = ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
POD = ObjectRef("", "Pod", "shop", "web-0")
SECRET = ObjectRef("", "Secret", "shop", "tls")
OLD = ResourceSet({CLUSTER: (Table([cluster("a"), cluster("b")]),), ROUTE: (Table([route("r")]),)})


def rule(timeout: str, generation: int = 1) -> AuthoredObject:
    found = made(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "reviews", "namespace": "shop", "uid": "1", "annotations": {"team": "a"}},
            "spec": {"hosts": ["a"], "http": [{"timeout": timeout, "route": [{"destination": {"host": "a"}}]}]},
        }
    )
    return replace(found, origin=Origin("cluster", 0, "77"), generation=generation)


def pod() -> AuthoredObject:
    return made({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop"}, "spec": {}})


def change(history: History, *known: tuple[ObjectRef, AuthoredObject | None]) -> None:
    at_once(history.begin(known, dict(known)))
    at_once(history.made({ref: 0.0 for ref, _ in known}))


def started() -> History:
    """A history whose first generation has a rule and a pod."""
    history = History()
    change(history, (REVIEWS, rule("1s")), (POD, pod()))
    history.published()
    return history


def newest(history: History) -> dict[str, Any]:
    found: dict[str, Any] = history.latest()["generations"][-1]
    return found


def test_what_happened_to_objects() -> None:
    history = started()
    assert [(each["object"], each["what"]) for each in newest(history)["objects"]] == [
        ("VirtualService shop/reviews", "created"),
        ("Pod shop/web-0", "created"),
    ]
    change(history, (REVIEWS, rule("2s", 2)))
    assert history.working_on(REVIEWS)
    history.published()
    assert not history.working_on(REVIEWS)
    (changed,) = newest(history)["objects"]
    assert (changed["what"], changed["generation"], changed["resource_version"]) == ("changed", 2, "77")
    assert changed["fields"] == ["spec.http[0].timeout changed"]
    change(history, (REVIEWS, None))
    history.published()
    assert [each["what"] for each in newest(history)["objects"]] == ["deleted"]
    assert [each["generation"] for each in history.latest()["generations"]] == [1, 2, 3]
    assert [each["generation"] for each in history.latest(after=2)["generations"]] == [3]


def test_what_is_begun_is_of_the_generation_that_it_is_made_for() -> None:
    history = started()
    at_once(history.begin([(REVIEWS, rule("2s"))], {REVIEWS}))
    change(history, (POD, None))
    history.published()
    assert history.working_on(REVIEWS)
    assert [each["object"] for each in newest(history)["objects"]] == ["Pod shop/web-0"]
    assert newest(history)["quiet"]


def test_what_has_changed_twice_in_a_generation_is_told_once() -> None:
    history = started()
    change(history, (REVIEWS, None))
    change(history, (REVIEWS, rule("2s")))
    history.published()
    (changed,) = newest(history)["objects"]
    assert (changed["what"], changed["fields"]) == ("changed", ["spec.http[0].timeout changed"])
    other = replace(REVIEWS, name="other")
    change(history, (other, rule("1s")), (POD, None))
    change(history, (other, None))
    history.published()
    assert [each["object"] for each in newest(history)["objects"]] == ["Pod shop/web-0"]


def test_the_same_content_is_no_change_and_makes_no_generation() -> None:
    history = started()
    same = rule("1s")
    change(history, (REVIEWS, same))
    history.published()
    change(history, (REVIEWS, same))
    history.published()
    assert history.latest()["generation"] == 2


def test_resources_are_counted_once_and_proxies_are_waited_for() -> None:
    history = started()
    table = OLD.of(CLUSTER)[0].patched({"a": cluster("a", 1), "b": None, "c": cluster("c")})
    new = ResourceSet({**OLD.layers, CLUSTER: (table,)})
    change(history, (REVIEWS, rule("2s")))
    for group in ("web#1", "db#1"):
        history.told(group, OLD, new, connected=True)
    history.told("gone#1", OLD, new, connected=False)
    history.told("same#1", OLD, OLD, connected=True)
    history.on_converged("web#1", 0.1)
    history.published()
    found = newest(history)
    assert (found["resources"], found["proxies"], found["waiting"]) == ({"cds": 3}, 2, 1)
    assert (found["converged"], found["converged_s"]) == (None, None)
    history.left("db#1")
    found = newest(history)
    assert found["waiting"] == 0
    assert found["converged"] is not None
    assert found["converged_s"] > 0


def test_a_later_answer_is_one_for_earlier_generations_too() -> None:
    history, sets = started(), [OLD]
    for number in (1, 2, 3):
        sets.append(ResourceSet({**OLD.layers, ROUTE: (Table([route("r", number)]),)}))
        change(history, (REVIEWS, rule(f"{number + 1}s")))
        history.told("web#1", sets[-2], sets[-1], connected=True)
        history.published()
    assert [each["waiting"] for each in history.latest()["generations"]] == [0, 1, 1, 1]
    assert history.latest(last=0)["waiting"] == {"2": 1, "3": 1, "4": 1}
    history.on_converged("web#1", 0.1)
    assert [each["waiting"] for each in history.latest()["generations"]] == [0] * 4
    assert history.latest(last=0) == {**history.latest(), "waiting": {}, "generations": []}


def test_who_has_gone_or_never_answers_is_not_waited_for_for_ever() -> None:
    history = started()
    for number in range(MOST + 10):
        change(history, (REVIEWS, rule(f"{number + 2}s")))
        new = ResourceSet({**OLD.layers, ROUTE: (Table([route("r", number + 1)]),)})
        history.told("web#1", OLD, new, connected=True)
        history.told("db#1", OLD, new, connected=True)
        history.published()
        history.on_gone("db#1")
    found = [each for each in history.latest()["generations"] if not each["quiet"]]
    assert [each["waiting"] for each in found] == [1] * MOST
    assert len(history._open["web#1"]) == MOST
    assert "db#1" not in history._open


def test_refusals_and_drains() -> None:
    history = started()
    change(history, (REVIEWS, rule("2s")))
    history.told("web#1", OLD, ResourceSet({}), connected=True)
    history.drained("0.0.0.0_80", 3, "listener 0.0.0.0_80: goes")
    history.published()
    for _ in range(12):
        history.on_nack(Node("web"), Answer(ROUTE, Batch(()), "bad route"))
    found = newest(history)
    assert (len(found["nacks"]), found["more_nacks"]) == (10, 2)
    assert {key: found["nacks"][0][key] for key in ("proxy", "type", "reason")} == {
        "proxy": "web",
        "type": "rds",
        "reason": "bad route",
    }
    assert found["drains"] == [{"listener": "0.0.0.0_80", "proxies": 3, "what": "listener 0.0.0.0_80: goes"}]


def test_what_is_being_begun_in_slices_is_being_worked_on() -> None:
    history = History()
    pods = [ObjectRef("", "Pod", "shop", f"web-{number}") for number in range(1000)]
    beginning = history.begin([(ref, pod()) for ref in pods], dict.fromkeys(pods))
    next(beginning)
    assert history.working_on(pods[-1])
    at_once(beginning)
    assert all(map(history.working_on, pods))
    at_once(history.made(dict.fromkeys(pods, 0.0)))
    history.published()
    assert not any(map(history.working_on, pods))


def test_a_refusal_is_of_what_the_proxy_was_told_last() -> None:
    history = started()
    for number in range(3):
        change(history, (REVIEWS, rule(f"{number + 2}s")))
        told = ["web#1", "db#1"] if number == 0 else ["web#2"] if number == 1 else []
        for group in told:
            history.told(group, OLD, ResourceSet({}), connected=True)
        history.published()
    history.left("web#1")
    history.on_nack(Node("web"), Answer(ROUTE, Batch(()), "bad"))
    history.left("web#2")
    history.on_nack(Node("web"), Answer(ROUTE, Batch(()), "bad again"))
    found = {each["generation"]: [nack["reason"] for nack in each["nacks"]] for each in history.latest()["generations"]}
    assert found == {1: [], 2: [], 3: ["bad"], 4: ["bad again"]}
    assert history._groups.keys() == {"db"}


async def test_one_generation_with_the_contents_before_and_after() -> None:
    history = started()
    change(history, (REVIEWS, rule("2s")), (POD, None))
    history.published()
    found = await page(history, {"generation": "2"})
    assert found is not None
    changed, gone = found["objects"]
    assert changed["before"]["spec"]["http"][0]["timeout"] == "1s"
    assert changed["after"]["spec"]["http"][0]["timeout"] == "2s"
    assert changed["before"]["metadata"] == {"name": "reviews", "namespace": "shop", "annotations": {"team": "a"}}
    assert (gone["kept"], gone["before"]) == (False, None)
    assert await page(history, {"generation": "3"}) is None
    with pytest.raises(ValueError, match="last must be a number, is 'x'"):
        await page(history, {"last": "x"})


def test_so_many_generations_and_what_is_quiet_does_not_push_others_out() -> None:
    history = started()
    for number in range(MOST + 50):
        change(history, (POD, pod() if number % 2 else None))
        history.published()
    assert history.latest()["generations"][0]["generation"] == 1
    for number in range(MOST):
        change(history, (REVIEWS, rule(f"{number + 2}s")))
        history.published()
    loud = [each for each in history.latest()["generations"] if not each["quiet"]]
    assert len(loud) == MOST
    assert loud[0]["generation"] > 1


def test_contents_are_bounded_and_never_secret() -> None:
    size = Former().keep(rule("1s").struct, rule("2s").struct).size
    former = Former(3 * size)
    kept = [former.keep(rule("1s").struct, rule("2s").struct) for _ in range(5)]
    assert [each.dropped for each in kept] == [True, True, False, False, False]
    assert [each.before is None for each in kept] == [True, True, False, False, False]
    assert is_kept(REVIEWS)
    assert not is_kept(SECRET)
    assert not is_kept(POD)
    assert manifest(rule("1500ms").struct)["spec"]["http"][0]["timeout"] == "1.5s"
