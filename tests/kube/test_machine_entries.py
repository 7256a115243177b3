"""Entries of machines in a real API server: written, taken over by another replica, removed, swept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.kube.api_server import ApiServer
from xds.controllers.machine_entries import CONTROLLER, RENEWED, STALE, KnownEntry, MachineEntries
from xds.kinds.crds.definitions import all_crds
from xds.model.refs import ObjectRef

ENTRIES = "workloadentries.networking.istio.io"


@pytest.fixture
def place(api_server: ApiServer, namespace: str) -> str:
    """A namespace where entries can be."""
    api_server.apply(next(each for each in all_crds() if each["metadata"]["name"] == ENTRIES))
    api_server.kubectl("wait", "--for=condition=Established", f"crd/{ENTRIES}", "--timeout=30s")
    return namespace


class Replica:
    """A control plane as far as entries go: what it wants, and what it sees."""

    def __init__(self, api: ApiServer, name: str, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.wanted: dict[ObjectRef, Any] = {}
        self.now = datetime.now(UTC)
        self._entries = MachineEntries(api.client(), name, lambda: self.wanted, self._known, now=lambda: self.now)

    def want(self, name: str, address: str) -> None:
        ref = ObjectRef("networking.istio.io", "WorkloadEntry", self._namespace, name)
        metadata = {
            "name": name,
            "namespace": self._namespace,
            "annotations": {"istio.io/autoRegistrationGroup": "vms"},
        }
        kind = {"apiVersion": "networking.istio.io/v1", "kind": "WorkloadEntry", "metadata": metadata}
        self.wanted[ref] = {**kind, "spec": {"address": address}}

    async def round(self) -> dict[str, tuple[str, str]]:
        """Address and replica of each entry that is there then."""
        await self._entries.round()
        return {each["metadata"]["name"]: _told(each) for each in self._items()}

    def _items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self._api.kubectl("-n", self._namespace, "get", ENTRIES, "-o", "json").stdout
        )["items"]
        return found

    def _known(self) -> Iterator[KnownEntry]:
        for each in self._items():
            metadata = each["metadata"]
            ref = ObjectRef("networking.istio.io", "WorkloadEntry", self._namespace, metadata["name"])
            yield KnownEntry(ref, metadata.get("annotations", {}), metadata["resourceVersion"])


def _told(entry: dict[str, Any]) -> tuple[str, str]:
    return entry["spec"]["address"], entry["metadata"].get("annotations", {}).get(CONTROLLER, "")


async def test_written_and_removed(api_server: ApiServer, place: str) -> None:
    one = Replica(api_server, "one", place)
    one.want("vms-1", "10.0.0.1")
    assert await one.round() == {"vms-1": ("10.0.0.1", "one")}
    one.want("vms-1", "10.0.0.2")
    assert await one.round() == {"vms-1": ("10.0.0.2", "one")}
    api_server.kubectl("-n", place, "delete", ENTRIES, "vms-1")
    assert await one.round() == {"vms-1": ("10.0.0.2", "one")}, "what somebody deletes comes back"
    one.wanted.clear()
    assert await one.round() == {}
    assert await one.round() == {}


async def test_a_machine_that_goes_to_another_replica_stays(api_server: ApiServer, place: str) -> None:
    one, two = (Replica(api_server, name, place) for name in ("one", "two"))
    one.want("vms-1", "10.0.0.1")
    await one.round()
    two.want("vms-1", "10.0.0.1")
    assert await two.round() == {"vms-1": ("10.0.0.1", "two")}
    # And back, before the second has taken notice.
    assert await one.round() == {"vms-1": ("10.0.0.1", "one")}
    two.wanted.clear()
    assert await two.round() == {"vms-1": ("10.0.0.1", "one")}


async def test_a_dead_replicas_entries_go_when_nobody_has_renewed_them(api_server: ApiServer, place: str) -> None:
    dead, other = (Replica(api_server, name, place) for name in ("dead", "other"))
    dead.want("vms-1", "10.0.0.1")
    await dead.round()
    assert await other.round() == {"vms-1": ("10.0.0.1", "dead")}
    other.now += STALE + timedelta(seconds=5)
    assert await other.round() == {}


async def test_what_somebody_has_written_is_left_alone(api_server: ApiServer, place: str) -> None:
    one = Replica(api_server, "one", place)
    one.want("mine", "10.0.0.1")
    mine = next(iter(one.wanted.values()))
    annotated = {**mine["metadata"], "annotations": {RENEWED: "long ago"}}
    api_server.apply({**mine, "metadata": annotated, "spec": {"address": "10.7.7.7"}})
    assert await one.round() == {"mine": ("10.7.7.7", "")}
    one.wanted.clear()
    one.now += 2 * STALE
    assert await one.round() == {"mine": ("10.7.7.7", "")}
