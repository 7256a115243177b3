"""Rollouts with a whole control plane and sidecars that take what it sends: who has what, when, and what ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette

from tests.objects import made
from tests.unit.rollout.sidecars import WEB, Sidecar, running
from xds.app import ControlPlane
from xds.model.object import Object
from xds.model.proxy import Proxy
from xds.model.refs import ObjectRef
from xds.rollout.held import State
from xds.rollout.pages import routes as routes_of
from xds.rollout.progress import Phase
from xds.rollout.signals import Counts, Known, Streams
from xds.settings import Settings
from xds.sources.issuer_keys import IssuerKeys
from xds.sources.memory import MemorySource
from xds.wire.type_urls import CLUSTER, ENDPOINT, VIRTUAL_HOST

HOST = "80/web.shop.svc.cluster.local:80"
RULE = ObjectRef("networking.istio.io", "DestinationRule", "shop", "web")
ROUTES = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")
_PATIENCE_S = 60.0

MESH = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 80}]}
"""


def endpoints(*addresses: str) -> Object[Any]:
    return made(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [each], "conditions": {"ready": True}} for each in addresses],
            "ports": [{"name": "http", "port": 80}],
        }
    )


def pod(sidecar: Sidecar, *, ready: bool = True) -> Object[Any]:
    return made(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": sidecar.name, "namespace": "shop", "labels": sidecar.labels},
            "spec": {"containers": [{"name": "app", "image": "app"}]},
            "status": {
                "phase": "Running",
                "podIP": sidecar.address,
                "podIPs": [{"ip": sidecar.address}],
                "conditions": [{"type": "Ready", "status": str(ready)}],
            },
        }
    )


def istio(ref: ObjectRef, spec: dict[str, Any], rollout: str = "staged") -> Object[Any]:
    metadata = {"name": ref.name, "namespace": ref.namespace, "annotations": {"plait.dev/rollout": rollout}}
    return made({"apiVersion": f"{ref.group}/v1", "kind": ref.kind, "metadata": metadata, "spec": spec})


def rule(seconds: int, rollout: str = "staged") -> Object[Any]:
    """A rule for web with that connect timeout: what it makes of the cluster tells which version it is."""
    pool = {"connectionPool": {"tcp": {"connectTimeout": f"{seconds}s"}}}
    return istio(RULE, {"host": "web", "trafficPolicy": pool}, rollout)


def routes(prefix: str) -> Object[Any]:
    route = [{"match": [{"uri": {"prefix": prefix}}], "route": [{"destination": {"host": "web"}}]}]
    return istio(ROUTES, {"hosts": ["web"], "http": route})


@dataclass
class Told:
    """Signals by hand: what each proxy tells, always the same; of more than ``most`` together nothing is told."""

    by_name: dict[str, Counts] = field(default_factory=dict)
    most: int = 1000

    def begin(self) -> None:
        pass

    def settled(self, proxies: Iterable[Proxy]) -> bool:
        return True

    def before(self, proxies: Iterable[Proxy]) -> Streams:
        return self.since(proxies)

    def known(self, proxies: Iterable[Proxy]) -> Known:
        return Known()

    def since(self, proxies: Iterable[Proxy]) -> Streams:
        found, asked = Counts(), list(proxies)
        for each in asked if len(asked) <= self.most else ():
            found += self.by_name.get(each.name, Counts())
        return {"web.shop.svc.cluster.local": found}


@dataclass
class Mesh:
    """A control plane, its objects, and sidecars of 30 pods of one workload."""

    control_plane: ControlPlane
    source: MemorySource
    sidecars: list[Sidecar]
    told: Told

    def apply(self, *objects: Object[Any], deletes: Iterable[ObjectRef] = ()) -> None:
        self.source.apply(objects, deletes)

    def with_timeout(self, seconds: int) -> list[Sidecar]:
        """Those whose cluster for web has that connect timeout."""
        from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster

        found = [each for each in self.sidecars if (CLUSTER, WEB) in each.held]
        return [s for s in found if Cluster.FromString(s.held[CLUSTER, WEB]).connect_timeout.seconds == seconds]

    def routed(self, prefix: str) -> list[Sidecar]:
        return [each for each in self.sidecars if prefix.encode() in each.held.get((VIRTUAL_HOST, HOST), b"")]

    async def until(self, true: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not true():
            assert time.monotonic() < until, (self.control_plane.rollouts.standing, self.control_plane.rollouts.held)
            await asyncio.sleep(0.02)

    async def until_all(self, seconds: int) -> None:
        await self.until(lambda: len(self.with_timeout(seconds)) == len(self.sidecars))

    async def until_ended(self, count: int = 1) -> Phase:
        ended = self.control_plane.rollouts.ended
        await self.until(lambda: len(ended) >= count)
        progress = ended[-1].standing.progress
        assert progress is not None
        return progress.phase

    async def until_waiting(self, step: int) -> None:
        """Return when that step has been watched, and nothing can be said of it."""

        def waits() -> bool:
            standing = self.control_plane.rollouts.standing
            progress = None if standing is None else standing.progress
            return progress is not None and (progress.step, progress.phase) == (step, Phase.WAITING)

        await self.until(waits)

    @property
    def reason(self) -> str:
        progress = self.control_plane.rollouts.ended[-1].standing.progress
        assert progress is not None
        return progress.reason


@asynccontextmanager
async def mesh(tmp_path: Path, *more: Object[Any], count: int = 30, **settings: Any) -> AsyncIterator[Mesh]:
    sidecars = [Sidecar(f"web-{n:02}", f"10.0.0.{n + 1}", {"app": "web"}) for n in range(count)]
    objects = [made(each) for each in yaml.safe_load_all(MESH)]
    source = MemorySource(objects=[*objects, *map(pod, sidecars), endpoints("10.0.0.1"), *more])
    wanted = {"rollout_watch": timedelta(milliseconds=200), "state_dir": tmp_path / "state", **settings}
    address = f"unix:{tmp_path}/xds"
    made_settings = Settings(xds="", xds_plaintext=address, http="", prover="off", **wanted)
    control_plane, told = ControlPlane(made_settings, [source]), Told()
    control_plane.rollouts.signals = told
    async with control_plane, running(address, *sidecars):
        found = Mesh(control_plane, source, sidecars, told)
        await found.until(lambda: all((CLUSTER, WEB) in each.held for each in sidecars))
        yield found


async def test_a_marked_change_goes_to_one_then_to_a_few_then_to_all(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), routes("/one"), rollout_needs_traffic=True) as found:
        await found.until_all(1)
        found.told.by_name = {each.name: Counts(100) for each in found.sidecars}
        found.told.most = 0  # so each step waits until something is told of so many
        found.apply(rule(2), routes("/two"))
        await found.until(lambda: bool(found.with_timeout(2) and found.routed("/two")))
        assert len(found.with_timeout(2)) == 1 == len(found.routed("/two"))
        found.apply(endpoints("10.0.0.1", "10.0.0.2"))  # meanwhile endpoints reach both
        other = bytes("10.0.0.2", "ascii")
        await found.until(lambda: all(other in each.held[ENDPOINT, WEB] for each in found.sidecars))
        await found.until_waiting(0)
        assert len(found.with_timeout(2)) == 1
        found.told.most = 1
        await found.until_waiting(1)
        await found.until(lambda: len(found.with_timeout(2)) > 1)
        await found.until(lambda: len(found.routed("/two")) > 1)
        assert len(found.with_timeout(2)) == 2 == len(found.routed("/two"))
        found.told.most = 2
        await found.until_waiting(2)
        found.told.most = 1000
        await found.until_all(2)
        assert await found.until_ended() is Phase.PROMOTED
        await found.until(lambda: not found.control_plane.rollouts.held)
        # Who goes from the one mesh to the other has nothing sent anew.
        assert all(each.sent.count(WEB) <= 6 for each in found.sidecars)
        clusters = [each.held[CLUSTER, WEB] for each in found.sidecars]
        assert len(set(clusters)) == 1


async def test_what_is_not_marked_goes_to_all_at_once(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1, "at-once")) as found:
        await found.until_all(1)
        found.apply(rule(2, "at-once"))
        await found.until_all(2)
        assert found.control_plane.rollouts.standing is None
        assert not found.control_plane.rollouts.held


async def test_harm_brings_it_back_and_it_stays_back_until_it_changes(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.told.by_name = {each.name: Counts(100) for each in found.sidecars}
        found.apply(rule(2))
        await found.until(lambda: bool(found.with_timeout(2)))
        first = found.with_timeout(2)[0]
        found.told.by_name[first.name] = Counts(100, failed=90)
        assert await found.until_ended() is Phase.ABORTED
        await found.until_all(1)
        assert found.reason == "requests to web.shop.svc.cluster.local: 90.0% fail (90 of 100), elsewhere 0.0%"
        await found.until(lambda: any(each.code == "rollout.aborted" for each in found.control_plane.findings.problems))
        found.apply(rule(1))  # as it was: nothing is wrong any more
        await found.until(lambda: not found.control_plane.rollouts.held)
        assert found.with_timeout(1) == found.sidecars


async def test_a_refusal_by_a_proxy_ends_it(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        marker = b"\x08\x07"  # 7 seconds, as a Duration
        for each in found.sidecars:
            each.refuses = lambda name, body: name == WEB and marker in body
        found.apply(rule(7))
        assert await found.until_ended() is Phase.ABORTED
        assert "refuses" in found.reason
        assert f"{WEB} is bad" in found.reason
        assert found.with_timeout(1) == found.sidecars


async def test_a_further_edit_begins_anew_and_others_pass(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        found.apply(rule(3))
        await found.until(lambda: len(found.with_timeout(3)) == 1)
        assert not found.with_timeout(2)
        assert found.control_plane.rollouts.held[RULE].state is State.ROLLING


async def test_by_hand(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        rollouts = found.control_plane.rollouts
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        assert rollouts.abort([RULE]) == (RULE,)
        await found.until_all(1)
        assert await found.until_ended() is Phase.ABORTED
        await found.until(lambda: rollouts.held[RULE].state is State.ABORTED)
        assert rollouts.promote([RULE]) == (RULE,)  # after all
        await found.until_all(2)
        await found.until(lambda: not rollouts.held)
        found.apply(rule(3))
        await found.until(lambda: len(found.with_timeout(3)) == 1)
        rollouts.promote([RULE])
        await found.until_all(3)


async def test_new_and_deleted_objects_are_changes_too(tmp_path: Path) -> None:
    async with mesh(tmp_path, rollout_watch=timedelta(seconds=90)) as found:
        found.apply(rule(2))
        await found.until(lambda: bool(found.with_timeout(2)))
        assert len(found.with_timeout(2)) == 1
        found.control_plane.rollouts.promote([RULE])
        await found.until_all(2)
        await found.until(lambda: not found.control_plane.rollouts.held)
        found.apply(deletes=[RULE])
        await found.until(lambda: len(found.with_timeout(2)) < 30)
        assert len(found.with_timeout(2)) == 29
        found.control_plane.rollouts.promote([RULE])
        await found.until(lambda: not found.with_timeout(2))


async def test_a_pod_that_is_not_ready_any_more_ends_it(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        first = found.with_timeout(2)[0]
        found.apply(pod(first, ready=False))
        assert await found.until_ended() is Phase.ABORTED
        assert found.reason == f"shop/{first.name} is not ready any more"
        await found.until_all(1)


async def test_what_was_held_back_stays_so_over_a_restart(tmp_path: Path) -> None:
    kept = {"manifests": (tmp_path / "manifests",), "rollout_watch": timedelta(seconds=90)}
    (tmp_path / "manifests").mkdir()
    async with mesh(tmp_path, rule(1), count=4, **kept) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
    async with mesh(tmp_path, rule(2), count=4, **kept) as found:
        await found.until(lambda: len(found.with_timeout(2)) == 1)  # it begins anew
        assert len(found.with_timeout(1)) == 3
        found.control_plane.rollouts.abort([RULE])
        await found.until_all(1)
        await found.until(lambda: found.control_plane.rollouts.held[RULE].state is State.ABORTED)
    async with mesh(tmp_path, rule(2), count=4, **kept) as found:
        await found.until_all(1)
        held = found.control_plane.rollouts.held[RULE]
        assert (held.state, held.reason) == (State.ABORTED, "aborted by hand")
        found.apply(rule(3))
        await found.until(lambda: len(found.with_timeout(3)) == 1)
        assert len(found.with_timeout(1)) == 3


async def test_a_change_that_nobody_is_sent_goes_through_at_once(tmp_path: Path) -> None:
    other = istio(ObjectRef("networking.istio.io", "DestinationRule", "elsewhere", "no"), {"host": "no.where"})
    async with mesh(tmp_path, count=2, rollout_watch=timedelta(seconds=90)) as found:
        found.apply(other)
        assert await found.until_ended() is Phase.PROMOTED
        await found.until(lambda: not found.control_plane.rollouts.held)


async def test_who_comes_meanwhile_has_what_was_before_and_in_the_end_the_new(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=3, rollout_needs_traffic=True) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        late = Sidecar("web-99", "10.0.0.99", {"app": "web"})
        found.apply(pod(late))
        async with running(f"unix:{tmp_path}/xds", late):
            found.sidecars.append(late)
            await found.until(lambda: (CLUSTER, WEB) in late.held)
            assert late not in found.with_timeout(2)
            found.told.by_name = {each.name: Counts(100) for each in found.sidecars}
            await found.until_all(2)
            assert await found.until_ended() is Phase.PROMOTED
            await found.until_all(2)


async def test_the_pages_tell_and_decide(tmp_path: Path) -> None:
    async with mesh(tmp_path, rule(1), count=3, rollout_watch=timedelta(seconds=90)) as found:
        await found.until_all(1)
        found.apply(rule(2))
        await found.until(lambda: len(found.with_timeout(2)) == 1)
        pages = httpx.ASGITransport(Starlette(routes=routes_of(found.control_plane.rollouts)))
        async with httpx.AsyncClient(transport=pages, base_url="http://plait") as client:
            told = (await client.get("/debug/rollouts")).json()
            assert (told["rollout"]["step"], told["rollout"]["steps"], told["rollout"]["affected"]) == (1, 2, 3)
            assert [each["state"] for each in told["held"]] == ["rolling out"]
            refused = await client.post("/debug/rollouts/promote", headers={"Origin": "https://elsewhere.example"})
            assert refused.status_code == 403
            assert (await client.get("/debug/rollouts/promote")).status_code == 405
            wanted = {"group": RULE.group, "kind": RULE.kind, "namespace": RULE.namespace, "name": RULE.name}
            decided = await client.post("/debug/rollouts/promote", params=wanted)
            assert [each["object"] for each in decided.json()] == ["DestinationRule shop/web"]
            await found.until_all(2)
            assert await found.until_ended() is Phase.PROMOTED
            told = (await client.get("/debug/rollouts")).json()
            assert [each["reason"] for each in told["ended"]] == ["promoted by hand"]
            history = await found.control_plane.convergence.history({})
            assert history is not None
            tried = history["rollouts"][-1]
            assert (tried["state"], tried["reason"], tried["affected"]) == ("promoted", "promoted by hand", 3)


async def test_keys_that_only_the_tried_policies_need_are_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[frozenset[str]] = []
    monkeypatch.setattr(IssuerKeys, "want", lambda self, uris: wanted.append(frozenset(uris)))
    ref = ObjectRef("security.istio.io", "RequestAuthentication", "shop", "tokens")
    rules = [{"issuer": "https://issuer.example", "jwksUri": "http://127.0.0.1:1/keys"}]
    async with mesh(tmp_path, count=2, rollout_watch=timedelta(seconds=90)) as found:
        found.apply(istio(ref, {"jwtRules": rules}))
        await found.until(lambda: bool(wanted and "http://127.0.0.1:1/keys" in wanted[-1]))
        assert found.control_plane.rollouts.held[ref].state is State.ROLLING
