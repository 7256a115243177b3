"""Reports as text, of bounded size; which of them count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.controllers.live_count import LiveCount, RejectedBy
from xds.controllers.report import Report, Unreadable, decode, encode, summed
from xds.controllers.reports import ReportReader
from xds.model.refs import ObjectRef

refs = st.builds(
    ObjectRef, st.sampled_from(["networking.istio.io", ""]), st.sampled_from("KL"), st.text(max_size=3), st.text()
)
rejections = st.lists(st.builds(RejectedBy, st.text(), st.text(max_size=20), st.text()), max_size=3).map(
    lambda each: tuple(sorted(each))
)
counts = st.builds(LiveCount, st.integers(0, 9), st.integers(0, 9), rejections, st.integers(0, 9))


def ref(name: str) -> ObjectRef:
    return ObjectRef("networking.istio.io", "VirtualService", "shop", name)


@given(st.dictionaries(refs, counts))
def test_what_is_written_is_read(found: dict[ObjectRef, LiveCount]) -> None:
    report = Report(found, {"ca_version": "3"})
    text, shortened = encode(report)
    assert decode(text) == report
    assert not shortened


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"objects": {}}', '{"objects":{"a":{"b":{"c":[1]}}},"rejections":[],"ca":{},"dropped":0}']
)
def test_what_is_no_report_is_said_so(text: str) -> None:
    with pytest.raises(Unreadable):
        decode(text)


def test_a_long_report_loses_its_reasons_and_then_objects() -> None:
    told = tuple(RejectedBy(f"web-{n}.shop", "x" * 200, "route") for n in range(5))
    found = {ref(f"reviews-{n:05}"): LiveCount(1, 2, told, 3) for n in range(1000)}
    whole, _ = encode(Report(found))
    one_each, shortened = encode(Report(found), 600_000)
    assert shortened
    assert {len(each.rejections) for each in decode(one_each).counts.values()} == {1}
    none, _ = encode(Report(found), 100_000)
    assert decode(none).counts == {name: LiveCount(1, 2, (), 3) for name in found}
    few, shortened = encode(Report(found), 9_000)
    assert shortened
    assert len(few) <= 9_000 < len(whole)
    read = decode(few)
    assert read.dropped + len(read.counts) == 1000
    assert len(read.counts) > 200


def test_sums_and_what_one_does_not_have() -> None:
    a, b = ref("a"), ref("b")
    told = (RejectedBy("p", "r", "x"),)
    found = summed(
        [Report({a: LiveCount(1, 2, (), 3), b: LiveCount(1, 1, (), 1)}), Report({a: LiveCount(2, 3, told, 2)})]
    )
    assert found == {a: LiveCount(3, 5, told, 2), b: LiveCount(1, 1)}


class ConfigMaps:
    """The API server's list."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def put(self, pod: str, version: int, renewed: datetime, revision: str = "default") -> None:
        self.items = [each for each in self.items if each["metadata"]["name"] != f"plait-report-{pod}"]
        text, _ = encode(Report({ref("a"): LiveCount(1, 1, (), 1)}, {"version": pod}))
        annotations = {"plait/renewed": renewed.isoformat()}
        labels = {"plait/report": revision}
        metadata = {
            "name": f"plait-report-{pod}",
            "resourceVersion": str(version),
            "annotations": annotations,
            "labels": labels,
        }
        self.items.append({"metadata": metadata, "data": {"report.json": text}})


def test_who_has_died_is_forgotten_and_clocks_that_are_off_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, maps, long_ago = [1000.0], ConfigMaps(), datetime.now(UTC) - timedelta(hours=1)
    monkeypatch.setattr("xds.controllers.reports.time.monotonic", lambda: clock[0])
    reader = ReportReader(None, "istio-system")

    def look() -> int:
        reader.take({"items": maps.items})
        assert reader.counts is not None
        return reader.counts[ref("a")].total if reader.counts else 0

    maps.put("alive", 1, datetime.now(UTC))
    maps.put("dead-before-us", 1, long_ago)
    maps.put("slow-clock", 1, long_ago)
    assert look() == 1
    clock[0] += 8
    maps.put("slow-clock", 2, long_ago + timedelta(seconds=8))
    assert look() == 2, "it changes, so it is alive"
    clock[0] += 29
    maps.put("alive", 2, datetime.now(UTC))
    assert look() == 2
    clock[0] += 2
    assert look() == 1
    clock[0] += 30
    assert look() == 0


def test_objects_are_counted_for_one_revision_and_the_ca_is_that_of_all() -> None:
    maps, reader = ConfigMaps(), ReportReader(None, "istio-system", "canary")
    for pod, revision in (("old", "default"), ("new", "canary"), ("newer", "canary")):
        maps.put(pod, 1, datetime.now(UTC), revision)
    reader.take({"items": maps.items})
    assert reader.counts == {ref("a"): LiveCount(2, 2, (), 1)}
    assert reader.ca == {pod: {"version": pod} for pod in ("old", "new", "newer")}
