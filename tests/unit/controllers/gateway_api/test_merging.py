"""A status with what we say in it: others' words stay, times change with what is said only."""

from __future__ import annotations

from typing import Any

from xds.controllers.gateway_api.merging import Moment, merged

OURS = ("plait.dev/gateway-controller",)
MOMENT = Moment(generation=3, now="2026-01-02T00:00:00Z")


def condition(kind: str, status: str = "True", **more: Any) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": kind, "message": "", **more}


def written(kind: str, status: str = "True", since: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return condition(kind, status, observedGeneration=3, lastTransitionTime=since)


def parent(controller: str, *conditions: dict[str, Any], name: str = "edge") -> dict[str, Any]:
    return {"parentRef": {"name": name}, "controllerName": controller, "conditions": list(conditions)}


def test_what_is_said_already_is_not_written() -> None:
    found = {"conditions": [written("Accepted")], "parents": [parent(OURS[0], written("Accepted"))]}
    wanted = {"conditions": [condition("Accepted")], "parents": [parent(OURS[0], condition("Accepted"))]}
    assert merged(found, wanted, OURS, MOMENT) is None
    assert merged({}, {"parents": []}, OURS, MOMENT) is None


def test_the_time_changes_when_the_status_does() -> None:
    found = {"conditions": [written("Accepted"), written("Programmed", "Unknown")]}
    new = merged(found, {"conditions": [condition("Accepted", reason="Other"), condition("Programmed")]}, OURS, MOMENT)
    assert new is not None
    assert [each["lastTransitionTime"] for each in new["conditions"]] == ["2026-01-01T00:00:00Z", MOMENT.now]
    assert [each["observedGeneration"] for each in new["conditions"]] == [3, 3]


def test_conditions_of_others_stay_and_old_ones_of_ours_go() -> None:
    found = {"conditions": [condition("Theirs"), written("ResolvedRefs"), written("Accepted")]}
    new = merged(found, {"conditions": [condition("Accepted")]}, OURS, MOMENT)
    assert new == {"conditions": [condition("Theirs"), written("Accepted")]}


def test_parents_of_other_controllers_stay_and_those_of_ours_that_are_gone_go() -> None:
    found = {"parents": [parent("other", condition("Accepted")), parent(OURS[0], written("Accepted"), name="gone")]}
    new = merged(found, {"parents": [parent(OURS[0], condition("Accepted"))]}, OURS, MOMENT)
    assert new is not None
    assert [(each["controllerName"], each["parentRef"]["name"]) for each in new["parents"]] == [
        ("other", "edge"),
        (OURS[0], "edge"),
    ]
    assert merged(found, {"parents": []}, OURS, MOMENT) == {"parents": [parent("other", condition("Accepted"))]}


def test_there_is_room_for_sixteen_ancestors_of_all_controllers() -> None:
    found = {"ancestors": [{"ancestorRef": {"name": "a"}, "controllerName": "other", "conditions": []}]}
    ours = [{"ancestorRef": {"name": str(n)}, "controllerName": OURS[0], "conditions": []} for n in range(20)]
    new = merged(found, {"ancestors": ours}, OURS, MOMENT)
    assert new is not None
    assert len(new["ancestors"]) == 16
    assert new["ancestors"][0]["controllerName"] == "other"


def test_what_users_or_others_wrote_wrongly_is_overwritten() -> None:
    found = {"conditions": "none", "listeners": [7, {"name": "http", "conditions": None}]}
    listeners = [{"name": "http", "attachedRoutes": 0, "supportedKinds": [], "conditions": [condition("Accepted")]}]
    new = merged(found, {"conditions": [condition("Accepted")], "listeners": listeners}, OURS, MOMENT)
    assert new is not None
    assert [each["type"] for each in new["listeners"][0]["conditions"]] == ["Accepted"]
