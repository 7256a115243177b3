"""Questions about a running mesh."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from xds.cli.manifests import manifests
from xds.dashboard.answers import Answers
from xds.decoders.build import Builder
from xds.failure import Failure
from xds.findings import Findings
from xds.model.refs import ObjectRef
from xds.server import SnapshotCache
from xds.settings import Settings
from xds.sources.changes import Replaced
from xds.sources.files import load
from xds.sources.store import ObjectStore
from xds.view.graph import Graph
from xds.why.question import Question

MESH = Path(__file__).parents[3] / "examples" / "zero-trust"
ACCOUNTS = "accounts.bank.svc.cluster.local"


@pytest.fixture
def answers() -> Answers:
    """Those about the example mesh, as if all of it ran."""
    settings = Settings.resolve({}, {"manifests": (str(MESH),)})
    known = manifests([MESH], settings)
    store = ObjectStore(["files"])
    store.apply(Replaced("files", load(MESH, size_limit_bytes=settings.manifest_size_limit).objects))
    findings = Findings(store, Builder(), Graph(known.snapshot), [])
    return Answers(SnapshotCache(), store, findings, lambda: known.snapshot)


async def test_services_are_told_by_host(answers: Answers) -> None:
    assert [each.hostname for each in answers.services()] == sorted(each.hostname for each in answers.services())
    assert ACCOUNTS in {each.hostname for each in answers.services()}


async def test_a_call_is_explained_with_the_place_of_what_decides(answers: Answers) -> None:
    told = await answers.explain(Question("bank/batch", f"{ACCOUNTS}:80", "GET", "/accounts"))
    assert told["verdict"] == "allowed"
    decided = told["answers"][0]["decidedBy"]
    assert decided["object"] == "AuthorizationPolicy bank/who-reads-accounts"
    assert "policies.yaml:" in decided["at"]


async def test_what_cannot_be_asked_is_said(answers: Answers) -> None:
    with pytest.raises(Failure, match="no 'nobody' is running in namespace bank"):
        await answers.explain(Question("bank/nobody", f"{ACCOUNTS}:80"))


async def test_workloads_behind_a_service_have_their_policies(answers: Answers) -> None:
    service = next(each for each in answers.services() if each.hostname == ACCOUNTS)
    (found,) = await answers.behind(service)
    assert (found.namespace, found.service_account, found.sidecar) == ("bank", "accounts", True)
    assert ObjectRef("security.istio.io", "AuthorizationPolicy", "bank", "who-reads-accounts") in found.policies


async def test_every_workload_is_told_whether_it_may_call(answers: Answers) -> None:
    service = next(each for each in answers.services() if each.hostname == ACCOUNTS)
    found = {each.caller.partition("/")[0]: each for each in await answers.callers(service, 80)}
    assert found.keys() == {"bank", "legacy"}
    assert found["legacy"].verdict == "denied"


async def test_too_many_at_once_are_refused(answers: Answers) -> None:
    asked = [answers.explain(Question("bank/batch", f"{ACCOUNTS}:80")) for _ in range(12)]
    told = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in told if isinstance(each, Failure)]
    assert len(refused) == 4
    assert "others are waiting" in str(refused[0])


async def test_origins_are_those_of_the_store(answers: Answers) -> None:
    ref = ObjectRef("security.istio.io", "AuthorizationPolicy", "bank", "who-reads-accounts")
    assert "policies.yaml:" in answers.origin(ref)
    assert not answers.origin(ObjectRef("", "Service", "bank", "gone"))


async def test_nobody_has_anything_where_no_proxy_is_connected(answers: Answers) -> None:
    assert await answers.live_counts() == {}
