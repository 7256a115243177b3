"""The files of install/: as ``xds.install`` has them, and the same objects however they are applied."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tools import install_files
from xds.install.manifests import manifests
from xds.install.values import Values, read, to_plain

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plait"
KUBECTL: Final = CACHE / "kubernetes-v1.36.3" / "kubectl"
HELM: Final = CACHE / "helm-v3.22.0" / "helm"

CHOICES: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"revision": "canary", "cni": True, "initImage": "own/init:1", "extraEnv": {"PLAIT_DEBOUNCE_S": "0.05"}},
    {"autoscaleMin": 3, "autoscaleMax": 9, "networkPolicies": True, "monitoringNamespaces": ["a", "b"]},
    {"disruptionBudget": False, "tolerations": [{"operator": "Exists"}], "nodeSelector": {"zone": "1"}, "replicas": 0},
    {"namespace": "mesh", "meshConfig": {"enableTracing": False, "trustDomain": "a.b"}, "revision": "1-20"},
    {"namespace": "mesh", "tag": "7", "registry": "registry.example:5000/mesh", "imagePullSecrets": [{"name": "pull"}]},
    {"priorityClass": "system-cluster-critical", "resources": {"limits": {"memory": "1Gi"}}, "prometheus": False},
    {"prover": False},
    {"proverImage": "own/envoy:1", "proverResources": {"limits": {"cpu": "2"}}, "autoscaleMax": 3},
)


def test_the_files_say_what_the_source_says() -> None:
    wanted = install_files.documents()
    there = [path for folder in install_files.OWN for path in (install_files.FOLDER / folder).rglob("*")]
    found = {str(path.relative_to(install_files.FOLDER)): path.read_text() for path in there if path.is_file()}
    assert found.keys() == wanted.keys(), "make docs writes them anew"
    assert [name for name, text in wanted.items() if found[name] != text] == [], "make docs writes them anew"


def program(path: Path, name: str) -> str:
    found = str(path) if path.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


def output_of(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_name(objects: Any) -> dict[tuple[str, str, str], Any]:
    plain = json.loads(json.dumps([each for each in objects if each]))
    return {_key(each): each for each in plain}


def _key(each: Any) -> tuple[str, str, str]:
    return each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")


@pytest.mark.parametrize("name", ["base", *install_files.OVERLAYS])
def test_kustomize_builds_the_manifests_of_those_values(name: str) -> None:
    folder = install_files.FOLDER / "kustomize" / ("base" if name == "base" else f"overlays/{name}")
    built = yaml.safe_load_all(output_of(program(KUBECTL, "kubectl"), "kustomize", folder))
    values = Values() if name == "base" else install_files.OVERLAYS[name][1]
    assert by_name(built) == by_name(manifests(values))


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: "+".join(choice) or "defaults")
def test_helm_renders_the_manifests_of_those_values(choice: dict[str, Any], tmp_path: Path) -> None:
    values = read(choice)
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({name: value for name, value in choice.items() if name != "namespace"}))
    chart = install_files.FOLDER / "chart"
    options = ("--kube-version", "1.36.3", "-n", values.namespace, "-f", file)
    rendered = output_of(program(HELM, "helm"), "template", "plait", chart, *options)
    found = by_name(yaml.safe_load_all(rendered))
    wanted = by_name(each for each in manifests(values) if each["kind"] != "Namespace")
    for each in (*found.values(), *wanted.values()):
        if each["kind"] == "ConfigMap":
            each["data"]["mesh"] = yaml.safe_load(each["data"]["mesh"])
    assert found == wanted


@pytest.mark.parametrize("said", ["replicas=many", "replica=1", "revision=A", "spread=Anywhere"])
def test_helm_refuses_what_install_refuses(said: str) -> None:
    chart = str(install_files.FOLDER / "chart")
    command = [program(HELM, "helm"), "template", "plait", chart, "--kube-version", "1.36.3", "--set", said]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert said.partition("=")[0] in done.stderr


def test_the_charts_values_are_the_defaults() -> None:
    found = yaml.safe_load((install_files.FOLDER / "chart" / "values.yaml").read_text())
    assert found == {
        name: value for name, value in json.loads(json.dumps(to_plain(Values()))).items() if name != "namespace"
    }
