"""The admin pages, asked in process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest

from xds.admin import refusals
from xds.admin.app import app, health_app
from xds.admin.exposition import Counter, Histogram, Metric, Sample, render
from xds.admin.status import CaReport, KnownObject, ProxySync, SentResource, Sync, TypeSync
from xds.audit.naming import WorkloadSecurity
from xds.audit.record import Record
from xds.audit.refusal import Blame, Kind, Party, Refusal, Stage
from xds.audit.seen import KnownWorkload
from xds.model.labels import labels
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.security import Mtls, MtlsMode
from xds.telemetry.known import Known

THEN = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
REVIEWS = ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
ID = "sidecar~10.0.0.1~web-0.shop~shop.svc.cluster.local"


STABLE = CaReport("stable", THEN, "ab12", ("ab12",), THEN, ("a/b holds it",))


def _plain() -> Mapping[str, Any]:
    return {"name": "80"}


@dataclass
class FakeStatus:
    """A control plane with one proxy that refused a route."""

    is_ready: bool = True
    authority: CaReport | None = STABLE
    found: list[Problem] = field(default_factory=list)
    kept: Record = field(default_factory=Record)
    hour: Known = field(default_factory=lambda: Known(lambda: 1.8e9))

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

    def refusals(self) -> Record:
        return self.kept

    def workloads(self) -> Iterable[WorkloadSecurity]:
        mtls = Mtls(MtlsMode.STRICT, ((9000, MtlsMode.DISABLE),))
        pod = ObjectRef("", "Pod", "shop", "web-0")
        return [WorkloadSecurity(pod, "web", "default", labels({"app": "web"}), ("10.0.0.1",), True, mtls)]

    def sources(self) -> Mapping[str, Any]:
        return {"kubernetes": {"kinds": {"pods": {"served": "v1", "synced": True}}}}

    def ca(self) -> CaReport | None:
        return self.authority

    def telemetry(self) -> Known:
        return self.hour

    def record(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        if "workload" not in query and "id" not in query:
            raise ValueError("say which")
        return {"id": "1", "entries": []} if "workload" in query else None

    async def live(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        return {"object": f"{query['kind']} {query['name']}", "live": 1, "total": 2}

    async def history(self, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        if query.get("generation") == "x":
            raise ValueError("generation must be a number, is 'x'")
        return None if "generation" in query else {"generation": 3, "generations": []}

    def metrics(self) -> Iterable[Metric]:
        return [Metric("pilot_xds_pushes", "counter", "Pushes.", (Sample(4, (("type", "cds"),)),))]


async def get(path: str, status: FakeStatus | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app(status or FakeStatus()))
    async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
        return await client.get(path)


async def test_a_recording_begins_and_is_gone() -> None:
    assert (await get("/debug/record?workload=shop/web&for=60")).json()["id"] == "1"
    assert (await get("/debug/record?id=2")).status_code == 404
    assert (await get("/debug/record")).status_code == 400


async def test_health_and_readiness() -> None:
    assert (await get("/healthz")).status_code == 200
    assert (await get("/readyz")).status_code == 200
    not_yet = await get("/readyz", FakeStatus(is_ready=False))
    assert (not_yet.status_code, not_yet.text) == (503, "not ready: no generation is served yet\n")


async def test_one_object_and_the_history() -> None:
    assert (await get("/debug/live?kind=VirtualService")).status_code == 400
    assert (await get("/debug/live?kind=VirtualService&name=v")).json()["object"] == "VirtualService v"
    assert (await get("/debug/history")).json() == {"generation": 3, "generations": []}
    assert (await get("/debug/history?generation=9")).status_code == 404
    assert (await get("/debug/history?generation=x")).status_code == 400


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


async def test_where_the_ca_stands() -> None:
    page = (await get("/debug/ca")).json()
    assert (page["phase"], page["signer"], page["roots"]) == ("stable", "ab12", ["ab12"])
    assert (page["blocked_by"], page["warnings"]) == (["a/b holds it"], [])
    assert page["since"] == page["not_after"] == THEN.isoformat()
    assert (await get("/debug/ca", FakeStatus(authority=None))).status_code == 404


async def test_how_well_sources_are_read() -> None:
    assert (await get("/debug/sources")).json()["kubernetes"]["kinds"]["pods"]["served"] == "v1"


async def test_what_kubelets_reach_tells_nothing_of_the_configuration() -> None:
    transport = httpx.ASGITransport(health_app(FakeStatus()))
    async with httpx.AsyncClient(transport=transport, base_url="http://plait") as client:
        assert [(await client.get(f"/{page}")).status_code for page in ("live", "ready", "metrics")] == [200] * 3
        assert (await client.get("/debug/registryz")).status_code == 404


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


def test_counters_and_histograms() -> None:
    pushes, sizes = Counter("pushes", "Pushes.", "type"), Histogram("sizes_bytes", "Sizes.", (10, 100), "type")
    for size in (5, 10, 50, 500):
        pushes.add("cds")
        sizes.observe(size, "cds")
    assert render([pushes.metric(), sizes.metric()]).splitlines() == [
        "# HELP pushes Pushes.",
        "# TYPE pushes counter",
        'pushes{type="cds"} 4',
        "# HELP sizes_bytes Sizes.",
        "# TYPE sizes_bytes histogram",
        'sizes_bytes_bucket{type="cds",le="10"} 2',
        'sizes_bytes_bucket{type="cds",le="100"} 3',
        'sizes_bytes_bucket{type="cds",le="+Inf"} 4',
        'sizes_bytes_sum{type="cds"} 565',
        'sizes_bytes_count{type="cds"} 4',
    ]


# -- refusals and workloads

DENY = ObjectRef("security.istio.io", "AuthorizationPolicy", "shop", "no")


def refused(source: str = "client", origin: str = "a.yaml:1", kind: Kind = Kind.REFUSED) -> Refusal:
    return Refusal(
        when=THEN,
        kind=kind,
        stage=Stage.DENY,
        why="a DENY policy matches",
        source=Party("c", source, source, "10.0.0.2", f"spiffe://td/ns/c/sa/{source}", proven=True),
        destination=Party("shop", "web", "web-0", "10.0.0.1"),
        policies=(Blame(DENY, 0, origin),),
        port=8080,
        protocol="HTTP/1.1",
        method="GET",
        host="web",
        path="/a",
        status=403,
    )


def status_with(*found: Refusal) -> FakeStatus:
    status = FakeStatus()
    for each in found:
        status.kept.add(each)
    return status


async def test_refusals() -> None:
    status = status_with(refused(), refused("other"))
    told = (await get("/debug/audit?from=c/client", status)).json()
    assert (told["next"], told["lost"], told["dropped"]) == (2, 0, 0)
    [one] = told["refusals"]
    assert (one["number"], one["kind"], one["request"], one["answer"]) == (1, "refused", "GET web/a", "403")
    assert one["from"]["principal"] == "spiffe://td/ns/c/sa/client"
    [policy] = one["policies"]
    assert (policy["object"], policy["rule"], policy["origin"]) == ("AuthorizationPolicy shop/no", 0, "a.yaml:1")
    assert [each["number"] for each in (await get("/debug/audit?after=1", status)).json()["refusals"]] == [2]


@pytest.mark.parametrize("query", ["kind=x", "after=-1", "after=x", "since=yesterday"])
async def test_a_question_for_refusals_that_makes_no_sense(query: str) -> None:
    assert (await get(f"/debug/audit?{query}")).status_code == 400


async def test_counts_of_refusals() -> None:
    [one] = (await get("/debug/refusals", status_with(refused(), refused()))).json()
    assert (one["from"], one["to"], one["times"], one["kind"]) == ("c/client", "shop/web", 2, "refused")
    assert one["policies"][0]["origin"] == "a.yaml:1"


def test_counters_of_a_policy_that_has_moved_are_one() -> None:
    record = status_with(refused(), refused(origin="a.yaml:9"), refused(kind=Kind.AUDITED)).kept
    text = render(refusals.metrics(record))
    same = 'plait_refusals_total{source="c/client",destination="shop/web",policy="shop/no",kind="%s"} %d'
    assert same % ("refused", 2) in text
    assert same % ("audited", 1) in text


async def test_workloads_are_told_as_commands_read_them() -> None:
    answer = (await get("/debug/workloads?namespace=shop")).json()
    [known] = msgspec.convert(answer, list[KnownWorkload])
    assert (known.label, known.mode, known.port_modes) == ("shop/web", "STRICT", {"9000": "DISABLE"})
    assert (await get("/debug/workloads?namespace=other")).json() == []
