"""Access logs of real sidecars: errors and no successes; what switches change of it, without draining a listener."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.envoy.manifests import documents, mesh_config, namespace, pod, service
from xds.testing.mesh import Mesh

pytestmark = [pytest.mark.envoy, pytest.mark.netns]


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    return documents(
        namespace("shop"),
        pod("client", account="client"),
        pod("web-v1", account="web"),
        service("web"),
        telemetry("quiet", "istio-system", {}, **{"plait.dev/access-log-percent": "0"}),
    )


def telemetry(name: str, namespace: str = "istio-system", /, spec: dict[str, Any] | None = None, **said: str) -> Any:
    """A Telemetry with these annotations."""
    metadata = {"name": name, "namespace": namespace, "annotations": said}
    return {"apiVersion": "telemetry.istio.io/v1", "kind": "Telemetry", "metadata": metadata, "spec": spec or {}}


class Lines:
    """What the proxies have written since the test began."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self.lines: list[str] = []

    def of(self, pod: str) -> list[str]:
        """The lines of the pod's proxy."""
        self.lines += self._captured.readouterr().out.splitlines()
        head = f"shop/{pod}/envoy | "
        return [line.removeprefix(head) for line in self.lines if line.startswith(head)]

    def entries(self, pod: str) -> list[dict[str, Any]]:
        """Those of them that are JSON."""
        return [json.loads(line) for line in self.of(pod) if line.startswith("{")]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


async def test_an_error_is_logged_by_both_proxies_and_a_success_is_not(mesh: Mesh, lines: Lines) -> None:
    await mesh.requests("client", "http://web/fine", 20)
    await mesh.get("client", "http://web/?status=503")

    async def both() -> bool:
        return all(any(e["response_code"] == 503 for e in lines.entries(each)) for each in ("client", "web-v1"))

    await mesh.until(both, "both proxies have logged the error")
    for each in ("client", "web-v1"):
        assert {entry["response_code"] for entry in lines.entries(each)} == {503}


async def modified(mesh: Mesh) -> dict[str, int]:
    """How often each proxy has changed or drained a listener."""
    wanted = "listener_manager.(listener_modified|listener_in_place_updated|listener_removed|total_listeners_draining)"
    found = {}
    for each in ("client", "web-v1"):
        found.update({f"{each} {name}": value for name, value in (await mesh.stats(each, wanted)).items()})
    return found


async def test_a_sample_is_turned_on_and_errors_off_without_a_listener_changing(mesh: Mesh, lines: Lines) -> None:
    before = await modified(mesh)
    said = {"plait.dev/access-log-percent": "100", "plait.dev/access-log-status": "600"}
    await mesh.apply(documents(telemetry("all", "shop", {"selector": {"matchLabels": {"app": "web"}}}, **said)))
    await mesh.get("client", "http://web/sampled")

    async def sampled() -> bool:
        return any(each["path"] == "/sampled" for each in lines.entries("web-v1"))

    await mesh.until(sampled, "the server's proxy logs all requests")
    assert not any(each["path"] == "/sampled" for each in lines.entries("client"))
    assert await modified(mesh) == before
    fields = lines.entries("web-v1")[-1]
    assert (fields["method"], fields["authority"], fields["response_code"]) == ("GET", "web", 200)
    assert {"start_time", "request_id", "upstream_cluster", "duration", "bytes_sent"} <= fields.keys()


async def test_disabled_logs_stay_silent_without_a_listener_changing(mesh: Mesh, lines: Lines) -> None:
    off = {"accessLogging": [{"disabled": True, "match": {"mode": "SERVER"}}]}
    before = await modified(mesh)
    await mesh.apply(documents(telemetry("off", "shop", off)))
    await mesh.get("client", "http://web/off?status=500")

    async def told() -> bool:
        return any(each["path"].startswith("/off") for each in lines.entries("client"))

    await mesh.until(told, "the client's proxy logs the error")
    await mesh.delete()
    await mesh.get("client", "http://web/on?status=500")

    async def again() -> bool:
        return any(each["path"].startswith("/on") for each in lines.entries("web-v1"))

    await mesh.until(again, "the server's proxy logs errors again")
    assert not any(each["path"].startswith("/off") for each in lines.entries("web-v1"))
    assert await modified(mesh) == before


async def test_a_provider_of_the_mesh_logs_istios_text_and_what_a_filter_lets_through(mesh: Mesh, lines: Lines) -> None:
    logs = {"accessLogging": [{"providers": [{"name": "envoy"}], "filter": {"expression": "response.code == 418"}}]}
    await mesh.apply(documents(mesh_config(accessLogFile="/dev/stdout"), telemetry("teapots", "shop", logs)))
    line = '"GET /pot?status=418 HTTP/1.1" 418'

    async def told() -> bool:
        # Connections of before go on logging as before, until they have drained.
        await mesh.get("client", "http://web/pot?status=418", keep_alive=False)
        return all(any(line in each for each in lines.of(pod)) for pod in ("client", "web-v1"))

    await mesh.until(told, "both proxies log the teapot")
    await mesh.get("client", "http://web/cup?status=503", keep_alive=False)
    await mesh.get("client", "http://web/pot?status=418&last", keep_alive=False)

    async def last() -> bool:
        return all(any("&last" in each for each in lines.of(pod)) for pod in ("client", "web-v1"))

    await mesh.until(last, "both proxies log the last teapot")
    every = [each for pod in ("client", "web-v1") for each in lines.of(pod)]
    assert not any(" /cup" in each and not each.startswith("{") for each in every)
