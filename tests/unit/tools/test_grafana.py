"""The Grafana dashboards: what Grafana needs to take them, and names of metrics that there are."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any, Final

import pytest

from tools.grafana import BOARDS, dashboards
from tools.install_files import FOLDER

_METRIC: Final = re.compile(r"\b(?:plait|pilot|citadel|galley|sidecar_injection|process)_\w+")
_LEGEND: Final = re.compile(r"\{\{(\w+)\}\}")
_VARIABLE: Final = re.compile(r"\$(\w+)")
_SUFFIX: Final = re.compile(r"_(?:bucket|sum|count)$")
_OF_GRAFANA: Final = {"__rate_interval"}


def targets(plain: dict[str, Any]) -> list[dict[str, Any]]:
    return [target for panel in plain["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("file", sorted(dashboards()))
def test_grafana_can_take_it(file: str) -> None:
    plain = json.loads((FOLDER / "grafana" / file).read_text())
    ids = [panel["id"] for panel in plain["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in plain["panels"]]
    assert len(set(titles)) == len(titles)
    choice, *others = plain["templating"]["list"]
    assert (choice["name"], choice["type"], choice["query"]) == ("datasource", "datasource", "prometheus")
    source = {"type": "prometheus", "uid": "${datasource}"}
    asking = [*plain["panels"], *targets(plain), *(each for each in others if each["type"] == "query")]
    assert all(each["datasource"] == source for each in asking)
    assert len({plain["uid"] for plain in dashboards().values()}) == len(dashboards())
    places = [panel["gridPos"] for panel in plain["panels"]]
    assert not any(overlap(one, other) for one, other in combinations(places, 2))
    assert all(place["x"] + place["w"] <= 24 for place in places)


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


@pytest.mark.parametrize("file", sorted(dashboards()))
def test_queries_name_variables_and_labels_that_there_are(file: str) -> None:
    plain = dashboards()[file]
    known = {each["name"] for each in plain["templating"]["list"]}
    for panel in plain["panels"]:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for target in panel["targets"]:
            assert set(_VARIABLE.findall(target["expr"])) <= known | _OF_GRAFANA, target
            grouped = re.findall(r"by \(([^)]*)\)", target["expr"])
            assert set(_LEGEND.findall(target["legendFormat"])) <= set(re.findall(r"\w+", " ".join(grouped))), target


def test_the_dashboards_ask_for_metrics_that_exist() -> None:
    source = "\n".join(path.read_text() for path in (FOLDER.parent / "xds").glob("*/*.py"))
    asked = [query.expression for board in BOARDS for panel in board.panels for query in panel.queries]
    names = {name for expression in asked for name in _METRIC.findall(expression)}
    assert {"pilot_xds", "plait_proxy_types", "galley_validation_failed"} <= names
    # citadel_server_root_cert_expiry_timestamp is put together from parts.
    missing = {name for name in names if not {f'"{name}"', f'"{_SUFFIX.sub("", name)}"'} & known(source)}
    assert {name for name in missing if "expiry" not in name} == set()


def known(source: str) -> set[str]:
    return set(re.findall(r'"[a-z_]+"', source))
