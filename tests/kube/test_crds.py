"""The custom resource definitions in a real API server: objects of Istio users go in and come out unchanged."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from tests.kube.api_server import ApiServer
from tests.kube.conftest import new_api_server
from xds.cli.crds_apply import Definitions
from xds.kinds.crds.definitions import all_crds
from xds.kinds.quantities import decode_hook, schema_hook
from xds.kinds.registry import BY_API_VERSION, KINDS

TESTS = Path(__file__).parents[1]
OBJECTS = TESTS / "kube" / "istio_objects"
MISTAKES = yaml.safe_load((OBJECTS.parent / "crd_mistakes.yaml").read_text())
SERVED = [(each["metadata"]["name"], version["name"]) for each in all_crds() for version in each["spec"]["versions"]]
PLURALS = {(each["spec"]["group"], each["spec"]["names"]["kind"]): each for each in all_crds()}
KINDS_WRITTEN = re.compile(r"\bkind: (" + "|".join(kind for _, kind in PLURALS) + r")\b")
FOLDERS = (OBJECTS, TESTS.parent / "examples", TESTS / "golden", TESTS / "unit" / "tools" / "every_field")
SOURCES = sorted(
    path for folder in FOLDERS for path in folder.rglob("*.yaml") if KINDS_WRITTEN.search(path.read_text())
)
REFUSED = {
    "authorization/mistakes_custom": {"nobody"},
    "authorization/mistakes_shape": {"p", "two"},
    "mesh/telemetry_mistakes": {"bad"},
    "request_authentication/nonsense": {"users", "shape"},
}
"""What these cases are about is an object that no API server should take."""
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server of this file with the definitions in it."""
    server = new_api_server(tmp_path_factory)
    try:
        definitions = Definitions(str(server.kubeconfig))
        for each in all_crds():
            assert definitions.apply(each, force=False).outcome == "created"
        for each in all_crds():
            definitions.wait(each["metadata"]["name"])
        yield server
    finally:
        server.close()


def in_file(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of Istio's kinds in a file of manifests or of cases; cases leave out what goes without saying."""
    for document in filter(None, yaml.load_all(path.read_text(), yaml.CSafeLoader)):
        for plain in document.get("given", [document]):
            group = plain.get("apiVersion", "").partition("/")[0]
            known = [key for key in PLURALS if key[1] == plain.get("kind") and group in ("", key[0])]
            if known:
                version = PLURALS[known[0]]["spec"]["versions"][0]["name"]
                yield {"apiVersion": f"{known[0][0]}/{version}", **plain}


def stored(server: ApiServer, plain: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """The object as the API server holds it. Errors: ApiException, for unknown fields too."""
    group, _, version = plain["apiVersion"].partition("/")
    names = PLURALS[group, plain["kind"]]["spec"]["names"]
    name = name or f"object-{next(_NUMBERS)}"
    body = {**plain, "metadata": {**plain.get("metadata", {}), "name": name, "namespace": "default"}}
    api: Any = client.CustomObjectsApi(server.client())
    where = {"group": group, "version": version, "namespace": "default", "plural": names["plural"]}
    api.create_namespaced_custom_object(**where, body=body, field_validation="Strict", _request_timeout=10)
    found: dict[str, Any] = api.get_namespaced_custom_object(**where, name=name, _request_timeout=10)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_objects_come_out_as_they_went_in(cluster: ApiServer, path: Path) -> None:
    refused = {}
    for plain in in_file(path):
        try:
            found = stored(cluster, plain)
        except ApiException as error:
            refused[plain["metadata"]["name"]] = str(error.body)
            continue
        assert found.get("spec") == plain.get("spec")
    assert set(refused) == REFUSED.get(f"{path.parent.name}/{path.stem}", set()), refused


def test_every_field_is_in_some_object() -> None:
    objects = [plain for path in OBJECTS.glob("*.yaml") for plain in in_file(path)]
    assert {plain["kind"] for plain in objects} == {kind for _, kind in PLURALS}
    for struct in KINDS:
        found = [plain for plain in objects if BY_API_VERSION.get((plain["apiVersion"], plain["kind"])) is struct]
        whole: list[Any] = [msgspec.convert(plain, struct, dec_hook=decode_hook) for plain in found]
        specs = [each.spec for each in whole]
        assert {each for spec in specs for each in all_fields(type(spec))} <= {
            each for spec in specs for each in set_in(spec)
        }


def all_fields(struct: type[msgspec.Struct]) -> set[str]:
    """Every field of the structs that ``struct`` is made of, as ``Struct.field``."""
    definitions = msgspec.json.schema(struct, schema_hook=schema_hook)["$defs"]
    return {f"{name}.{field}" for name, each in definitions.items() for field in each["properties"]}


def set_in(value: Any) -> Iterator[str]:
    """The fields of structs in ``value`` that are not what they are when nothing is said."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            below = getattr(value, field.name)
            if below not in (field.default, {}):
                yield f"{type(value).__name__}.{field.encode_name}"
                yield from set_in(below)
    elif isinstance(value, tuple | dict):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from set_in(entry)


def mistaken(mistake: Mapping[str, Any]) -> dict[str, Any]:
    definition = next(each for key, each in PLURALS.items() if key[1] == mistake["kind"])
    version = definition["spec"]["versions"][0]["name"]
    return {
        "apiVersion": f"{definition['spec']['group']}/{version}",
        "kind": mistake["kind"],
        "metadata": {"name": "mistake", "namespace": "default"},
        "spec": mistake["spec"],
    }


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake["answer"][:60])
def test_what_is_answered_to_mistakes(cluster: ApiServer, mistake: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as refused:
        stored(cluster, mistaken(mistake))
    assert mistake["answer"] in json.loads(str(refused.value.body))["message"]


@pytest.mark.parametrize("number", range(0, len(MISTAKES), 10))
def test_kubectl_shows_the_answer(cluster: ApiServer, number: int) -> None:
    mistake = MISTAKES[number]
    done = cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(mistaken(mistake)), check=False)
    assert done.returncode == 1
    assert mistake["answer"] in done.stderr


@pytest.mark.parametrize(("name", "version"), SERVED)
def test_every_version_is_served(cluster: ApiServer, name: str, version: str) -> None:
    plural, _, group = name.partition(".")
    api: Any = client.CustomObjectsApi(cluster.client())
    found = api.list_cluster_custom_object(group, version, plural, _request_timeout=10)
    assert found["apiVersion"] == f"{group}/{version}"


def test_schemas_are_structural(cluster: ApiServer) -> None:
    for definition in all_crds():
        found = cluster.kubectl("get", "crd", definition["metadata"]["name"], "-o", "yaml").stdout
        conditions = {each["type"]: each["status"] for each in yaml.safe_load(found)["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}


def test_an_object_is_read_in_all_versions(cluster: ApiServer) -> None:
    plain = {"kind": "VirtualService", "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]}}
    stored(cluster, {"apiVersion": "networking.istio.io/v1alpha3", **plain}, "versions")
    for version in ("v1", "v1beta1", "v1alpha3"):
        found = cluster.kubectl(
            "get", f"virtualservices.{version}.networking.istio.io", "versions", "-o", "yaml"
        ).stdout
        assert yaml.safe_load(found)["spec"] == plain["spec"]


def test_what_kubectl_get_shows(cluster: ApiServer) -> None:
    route = {"hosts": ["shown"], "gateways": ["edge"], "http": [{"route": [{"destination": {"host": "a"}}]}]}
    stored(cluster, {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "spec": route}, "shown")
    conditions = [
        {"type": "Accepted", "status": "True", "observedGeneration": 1},
        {"type": "Live", "status": "True", "message": "3 of 3", "observedGeneration": "1"},
    ]
    patch = yaml.safe_dump({"status": {"conditions": conditions, "observedGeneration": "1"}})
    cluster.kubectl("patch", "vs", "shown", "--subresource=status", "--type=merge", "-p", patch)
    heads, row = (line.split("   ") for line in cluster.kubectl("get", "vs", "shown").stdout.splitlines())
    assert [head.strip() for head in heads if head] == ["NAME", "GATEWAYS", "HOSTS", "ACCEPTED", "LIVE", "AGE"]
    assert [cell.strip() for cell in row if cell][:5] == ["shown", '["edge"]', '["shown"]', "True", "3 of 3"]


def test_controllers_write_their_conditions_side_by_side(cluster: ApiServer) -> None:
    plain = {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "spec": {"mtls": {"mode": "STRICT"}}}
    stored(cluster, plain, "written")
    for manager in ("plait", "another"):
        written = {
            "apiVersion": plain["apiVersion"],
            "kind": plain["kind"],
            "metadata": {"name": "written", "namespace": "default"},
            "status": {"conditions": [{"type": f"Of-{manager}", "status": "True"}], "validationMessages": [{"a": 1}]},
        }
        apply = ("apply", "--server-side", "--subresource=status", "--field-manager", manager, "--force-conflicts")
        cluster.kubectl(*apply, "-f", "-", stdin=yaml.safe_dump(written))
    found = yaml.safe_load(cluster.kubectl("get", "pa", "written", "-o", "yaml").stdout)
    assert {each["type"] for each in found["status"]["conditions"]} == {"Of-plait", "Of-another"}


def test_large_objects_are_taken(cluster: ApiServer) -> None:
    """What the rules cost is counted when they run, too."""
    moved = [{"match": [{"uri": {"exact": f"/old/{n}"}}], "redirect": {"uri": f"/new/{n}"}} for n in range(1000)]
    shares = [{"destination": {"host": "a", "subset": f"v{n}"}, "weight": 1} for n in range(50)]
    routed = [{"timeout": "1s", "retries": {"perTryTimeout": "1s", "backoff": "1s"}, "route": shares}] * 50
    for http in (moved, routed):
        stored(
            cluster,
            {
                "apiVersion": "networking.istio.io/v1",
                "kind": "VirtualService",
                "spec": {"hosts": ["a"], "http": http},
            },
        )
    pool = {"tcp": {"connectTimeout": "1s", "idleTimeout": "1s", "maxConnectionDuration": "1s"}}
    ports = [{"port": {"number": n + 1}, "connectionPool": pool} for n in range(5)]
    subsets = [
        {"name": f"v{n}", "labels": {"v": str(n)}, "trafficPolicy": {"portLevelSettings": ports}} for n in range(100)
    ]
    rule = {"host": "a", "trafficPolicy": {"connectionPool": pool}, "subsets": subsets}
    stored(cluster, {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "spec": rule})


def test_every_rule_has_a_mistake_that_it_finds() -> None:
    told = " ".join(mistake["answer"] for mistake in MISTAKES)
    assert {
        message for definition in PLURALS.values() for message in messages(definition) if message not in told
    } == set()


def messages(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (rule["message"] for rule in value.get("x-kubernetes-validations", ()))
    for below in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from messages(below)
