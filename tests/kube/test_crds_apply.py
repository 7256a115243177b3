"""``plait crds apply`` in a real API server: what it makes, what it leaves alone, what it never takes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.kube.api_server import ApiServer
from tests.kube.conftest import new_api_server
from xds.cli.crds import app
from xds.cli.crds_apply import Definitions
from xds.cli.failure import Failure
from xds.kinds.crds.definitions import OURS, PART_OF, all_crds

DEFINITIONS = {each["metadata"]["name"]: each for each in all_crds()}
ROUTES = "virtualservices.networking.istio.io"
GATEWAYS = "gateways.networking.istio.io"
CREATED = dict.fromkeys(DEFINITIONS, "created")
UNCHANGED = dict.fromkeys(DEFINITIONS, "unchanged")


@pytest.fixture
def server(own_api_server: ApiServer) -> ApiServer:
    return own_api_server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One for tests of definitions that no other test of this file looks at."""
    server = new_api_server(tmp_path_factory)
    yield server
    server.close()


def applied(server: ApiServer, *arguments: str) -> dict[str, str]:
    """What `plait crds apply` says of each definition."""
    done = CliRunner().invoke(app, ["apply", "--kubeconfig", str(server.kubeconfig), *arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return dict(line.split(" ", 1) for line in done.output.splitlines())


def in_cluster(server: ApiServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.kubectl("get", "crd", name, "-o", "json").stdout)
    return found


def of_others(name: str) -> dict[str, Any]:
    """A definition as Istio brings it along: of the same kind, with labels of its own, and one version more."""
    made = deepcopy(DEFINITIONS[name])
    made["metadata"]["labels"] = {"app": "istio-pilot"}
    old = deepcopy(made["spec"]["versions"][-1])
    made["spec"]["versions"].append(old | {"name": "v1alpha1", "storage": False})
    return made


def test_all_are_made_then_unchanged_then_mended(server: ApiServer) -> None:
    assert applied(server) == CREATED
    assert applied(server) == UNCHANGED
    removed = '[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]'
    server.kubectl("patch", "crd", ROUTES, "--type=json", "-p", removed)
    assert applied(server) == UNCHANGED | {ROUTES: "updated"}
    assert len(in_cluster(server, ROUTES)["spec"]["versions"][0]["additionalPrinterColumns"]) == 5


def test_those_of_others_are_left_alone_unless_forced(server: ApiServer) -> None:
    server.apply(of_others(ROUTES))
    before = in_cluster(server, ROUTES)
    said = f"left alone: it is not plait's (no label {PART_OF}: {OURS}); --force replaces it"
    assert applied(server) == CREATED | {ROUTES: said}
    assert in_cluster(server, ROUTES)["spec"] == before["spec"]
    route = {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}
    old = {"apiVersion": "networking.istio.io/v1alpha1", "kind": "VirtualService", "metadata": {"name": "old"}}
    server.kubectl("create", "-f", "-", stdin=json.dumps(old | {"spec": route}))

    assert applied(server, "--force") == UNCHANGED | {ROUTES: "updated"}
    found = in_cluster(server, ROUTES)
    assert [version["name"] for version in found["spec"]["versions"]] == ["v1", "v1beta1", "v1alpha3", "v1alpha1"]
    assert found["metadata"]["labels"] == {"app": "istio-pilot", PART_OF: OURS}
    assert json.loads(server.kubectl("get", "vs", "old", "-o", "json").stdout)["spec"] == route


def test_those_of_a_later_version_are_left_alone(shared: ApiServer) -> None:
    later = deepcopy(DEFINITIONS["workloadentries.networking.istio.io"])
    for version in later["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["color"] = {"type": "string"}
    shared.apply(later)
    got = Definitions(str(shared.kubeconfig)).apply(
        DEFINITIONS["workloadentries.networking.istio.io"],
        force=False,
    )
    assert got.outcome == "left alone"
    assert "it has fields that this version does not know: v1 spec.color, v1alpha3 spec.color" in got.reason


def test_a_stored_version_stays_stored(shared: ApiServer) -> None:
    """The version that is no more the stored one stays readable, and what was stored in it."""
    earlier = deepcopy(DEFINITIONS[GATEWAYS])
    for version in earlier["spec"]["versions"]:
        version["storage"] = version["name"] == "v1beta1"
    shared.apply(earlier)
    definitions = Definitions(str(shared.kubeconfig))
    definitions.wait(GATEWAYS)
    gateway = {"apiVersion": "networking.istio.io/v1beta1", "kind": "Gateway", "metadata": {"name": "g"}}
    shared.kubectl("create", "-f", "-", stdin=json.dumps(gateway | {"spec": {"selector": {"a": "b"}}}))
    assert definitions.apply(DEFINITIONS[GATEWAYS], force=False).outcome == "updated"
    assert set(in_cluster(shared, GATEWAYS)["status"]["storedVersions"]) == {"v1", "v1beta1"}
    assert json.loads(shared.kubectl("get", "gw", "g", "-o", "json").stdout)["spec"] == {"selector": {"a": "b"}}


def test_a_refusal_is_told_in_the_api_servers_words(shared: ApiServer) -> None:
    broken = deepcopy(DEFINITIONS["sidecars.networking.istio.io"])
    broken["spec"]["versions"][1]["storage"] = True
    with pytest.raises(Failure, match=r"sidecars\.networking\.istio\.io: .*must have exactly one version.*\(422\)"):
        Definitions(str(shared.kubeconfig)).apply(broken, force=False)


def test_names_that_another_kind_has_are_told(shared: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = deepcopy(DEFINITIONS["wasmplugins.extensions.istio.io"])
    taken["spec"]["names"]["shortNames"] = ["plugin"]
    rival = deepcopy(DEFINITIONS["trafficextensions.extensions.istio.io"])
    rival["spec"]["names"]["shortNames"] = ["plugin"]
    definitions = Definitions(str(shared.kubeconfig))
    definitions.apply(taken, force=False)
    definitions.wait("wasmplugins.extensions.istio.io")
    definitions.apply(rival, force=False)
    monkeypatch.setattr("xds.cli.crds_apply._TIMEOUT_S", 2.0)
    with pytest.raises(Failure, match=r"is not served after 2 s: .*plugin.* is already in use"):
        definitions.wait("trafficextensions.extensions.istio.io")


def test_no_cluster_there(tmp_path: Any, shared: ApiServer) -> None:
    (tmp_path / "kubeconfig").write_text(shared.kubeconfig.read_text().replace(shared.url, "https://127.0.0.1:1"))
    with pytest.raises(Failure, match=r"the API server at https://127\.0\.0\.1:1 does not answer"):
        Definitions(str(tmp_path / "kubeconfig")).apply(DEFINITIONS[ROUTES], force=False)
    with pytest.raises(Failure, match=r"nowhere.*; say which cluster with --kubeconfig"):
        Definitions(str(tmp_path / "nowhere"))
