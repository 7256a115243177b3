"""A directory read once, and the lines of fields found afterwards."""

from __future__ import annotations

from pathlib import Path

from xds.model.refs import FieldRef
from xds.sources.files import load, locate


def service(name: str) -> str:
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"apiVersion: v1\nkind: Service\nmetadata: {metadata}\nspec: {{ports: [{{port: 80}}]}}\n"


def test_load_reads_a_file_or_a_directory_and_never_raises(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    assert [found.ref.name for found in load(tmp_path).objects] == ["a"]
    assert [found.ref.name for found in load(tmp_path / "a.yaml").objects] == ["a"]
    assert [problem.code for problem in load(tmp_path / "none").problems] == ["source.unreadable"]


def test_the_line_of_a_field_is_found_later(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# first\n" + service("a") + "---\n" + service("b"))
    found = load(path).objects[1]
    at = FieldRef(found.ref, ("spec", "ports", 0, "port"))
    assert locate(at, found.origin).line == 10
    path.unlink()
    assert locate(at, found.origin) == found.origin


def test_the_line_of_a_field_in_a_list_and_in_a_mesh_configuration(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        """apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: istio, namespace: istio-system}
  data:
    mesh: |
      trustDomain: example.org
      connectTimeout: 3s
"""
    )
    mesh = next(found for found in load(path).objects if found.ref.kind == "MeshConfig")
    assert mesh.origin.line == 5
    assert locate(FieldRef(mesh.ref, ("spec", "connectTimeout")), mesh.origin).line == 11
    path.write_text("kind: MeshConfig\napiVersion: mesh.istio.io/v1alpha1\nconnectTimeout: 3s\n")
    (mesh,) = load(path).objects
    assert locate(FieldRef(mesh.ref, ("spec", "connectTimeout")), mesh.origin).line == 3


def test_a_file_that_became_hostile_is_not_composed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    (found,) = load(path).objects
    path.write_text("[" * 200_000)
    assert locate(FieldRef(found.ref, ("spec",)), found.origin) == found.origin
