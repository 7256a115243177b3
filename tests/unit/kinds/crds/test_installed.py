"""What becomes of definitions that are there already."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from xds.kinds.crds.definitions import crd
from xds.kinds.crds.installed import joined, lost_fields, why_not
from xds.kinds.virtual_service import VirtualService

OURS = crd(VirtualService)


def spec_of(definition: dict[str, Any], version: int) -> dict[str, Any]:
    found: dict[str, Any] = definition["spec"]["versions"][version]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return found


def test_our_own_may_be_replaced() -> None:
    assert why_not(OURS, OURS) == ""


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/part-of": "istio"}])
def test_those_of_others_may_not(labels: dict[str, str] | None) -> None:
    theirs = deepcopy(OURS) | {"metadata": {"name": "x", "labels": labels}}
    assert why_not(theirs, OURS) == "it is not plait's (no label app.kubernetes.io/part-of: plait)"


def test_fields_that_would_be_lost_are_found_at_any_depth() -> None:
    later = deepcopy(OURS)
    http = spec_of(later, 1)["properties"]["http"]["items"]["properties"]
    http["limit"] = {"type": "integer"}
    http["match"]["items"]["properties"]["headers"]["additionalProperties"]["properties"]["suffix"] = {"type": "string"}
    assert sorted(lost_fields(later, OURS)) == [
        "v1beta1 spec.http[].limit",
        "v1beta1 spec.http[].match[].headers{}.suffix",
    ]
    assert why_not(later, OURS).startswith("it has fields that this version does not know: v1beta1 spec.http[].limit, ")
    assert list(lost_fields(OURS, later)) == []


def test_many_lost_fields_are_counted() -> None:
    later = deepcopy(OURS)
    spec_of(later, 0)["properties"] |= {name: {"type": "string"} for name in "abcde"}
    assert why_not(later, OURS).endswith(": v1 spec.a, v1 spec.b, v1 spec.c and 2 more")


def test_nothing_is_lost_where_unknown_fields_stay() -> None:
    permissive = deepcopy(OURS)
    for number in range(3):
        spec_of(permissive, number).pop("properties")
        spec_of(permissive, number)["x-kubernetes-preserve-unknown-fields"] = True
    assert list(lost_fields(OURS, permissive)) == []


def test_versions_of_the_installed_one_stay_but_ours_is_stored() -> None:
    installed = deepcopy(OURS)
    installed["spec"]["versions"][0] |= {"name": "v2"}
    made = joined(installed, OURS)
    assert [(each["name"], each["storage"]) for each in made["spec"]["versions"]] == [
        ("v1", True),
        ("v1beta1", False),
        ("v1alpha3", False),
        ("v2", False),
    ]
    assert len(OURS["spec"]["versions"]) == 3
