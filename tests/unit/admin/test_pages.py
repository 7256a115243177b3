"""The admin pages, asked in process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from xds.admin.app import app
from xds.admin.exposition import Metric, Sample, render
from xds.admin.status import KnownObject, ProxySync, SentResource, Sync, TypeSync
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin

THEN = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
REVIEWS = ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
ID = "sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local"


def _plain() -> Mapping[str, Any]:
    return {"name": "80"}


@dataclass
class FakeStatus:
    """A control plane with one proxy that refused a route."""

    is_ready: bool = True
    found: list[Problem] = field(default_factory=list)

    def ready(self) -> bool:
        return self.is_ready

    def syncz(self) -> Sequence[ProxySync]:
        types = {
            "cds": TypeSync(Sync.SYNCED, "c1", THEN, 3),
            "rds": TypeSync(Sync.REJECTED, "r1", THEN, 1, (("80", "duplicate domain"),)),
        }
        return [ProxySync(ID, "web-0", "shop", "web", "Kubernetes", "1.40.0", THEN, types)]

    def config_dump(self, proxy: str) -> Sequence[SentResource] | None:
        known = KnownObject(REVIEWS, Origin("a.yaml", 7), 2)
        sent = [
            SentResource("rds", "80", "r1", [known], _plain),
            SentResource("eds", "x", "e1", [], _plain),
        ]
        return sent if proxy == ID else None

    def problems(self) -> Sequence[Problem]:
        return self.found

    def objects(self) -> Iterable[KnownObject]:
        return [KnownObject(REVIEWS, Origin("a.yaml", 7), 2)]

    def metrics(self) -> Iterable[Metric]:
        return [Metric("pilot_xds_pushes", "counter", "Pushes.", (Sample(4, (("type", "cds"),)),))]


async def get(path: str, status: FakeStatus | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app(status or FakeStatus()))
    async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
        return await client.get(path)


async def test_health_and_readiness() -> None:
    assert (await get("/healthz")).status_code == 200
    assert (await get("/readyz")).status_code == 200
    not_yet = await get("/readyz", FakeStatus(is_ready=False))
    assert (not_yet.status_code, not_yet.text) == (503, "not ready: no generation is served yet\n")


async def test_syncz() -> None:
    [proxy] = (await get("/debug/syncz")).json()
    assert (proxy["proxy"], proxy["name"], proxy["namespace"], proxy["envoy"]) == (ID, "web-0", "shop", "1.40.0")
    assert proxy["types"]["rds"] == {
        "state": "REJECTED",
        "version": "r1",
        "since": THEN.isoformat(),
        "resources": 1,
        "rejected": [{"name": "80", "reason": "duplicate domain"}],
    }


@pytest.mark.parametrize("proxy", [ID, "web-0.shop"])
async def test_what_was_sent_comes_with_the_objects_behind_it(proxy: str) -> None:
    dump = (await get(f"/debug/config_dump?proxy={proxy}&type=rds")).json()
    assert dump["proxy"] == ID
    [resource] = dump["resources"]
    assert (resource["name"], resource["resource"]) == ("80", {"name": "80"})
    assert resource["provenance"] == [
        {
            "object": "VirtualService shop/reviews",
            "group": "networking.istio.io",
            "kind": "VirtualService",
            "namespace": "shop",
            "name": "reviews",
            "origin": "a.yaml:7",
            "generation": 2,
        }
    ]


async def test_a_dump_of_nobody() -> None:
    assert (await get("/debug/config_dump")).status_code == 400
    missing = await get("/debug/config_dump?proxy=other")
    assert (missing.status_code, missing.json()) == (404, {"error": "no proxy 'other' is connected"})


async def test_a_file_whose_name_is_no_text_is_told_too() -> None:
    file = "a\udcff.yaml"
    status = FakeStatus(found=[Problem(FieldRef(ObjectRef("", "File", "", file)), "yaml.syntax", "is no YAML")])
    (problem,) = (await get("/debug/problems", status)).json()
    assert problem["object"] == f"File {file}"


async def test_problems_are_listed_as_analyze_lists_them() -> None:
    at = FieldRef(REVIEWS) / "spec.http" / 0
    status = FakeStatus(found=[Problem(at, "host.unknown", "no such host", Severity.WARNING, Origin("a.yaml", 9))])
    assert (await get("/debug/problems", status)).json() == [
        {
            "level": "warning",
            "code": "host.unknown",
            "object": "VirtualService shop/reviews",
            "field": "spec.http[0]",
            "message": "no such host",
            "origin": "a.yaml:9",
        }
    ]


async def test_registryz_and_the_list_of_pages() -> None:
    assert [one["object"] for one in (await get("/debug/registryz")).json()] == ["VirtualService shop/reviews"]
    for page in (await get("/debug")).json():
        answer = await get(page + ID if page.endswith("=") else page)
        assert answer.status_code == 200


async def test_metrics() -> None:
    answer = await get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'pilot_xds{version="1.40.0"} 1' in lines
    assert 'plait_proxy_types{type="rds",state="REJECTED"} 1' in lines
    assert 'pilot_xds_pushes{type="cds"} 4' in lines


def test_labels_are_escaped_and_fractions_kept() -> None:
    sample = Sample(0.5, (("why", 'a "b"\n\\'),), "_sum")
    assert render([Metric("x_seconds", "histogram", "X.", (sample,))]).splitlines() == [
        "# HELP x_seconds X.",
        "# TYPE x_seconds histogram",
        'x_seconds_sum{why="a \\"b\\"\\n\\\\"} 0.5',
    ]
