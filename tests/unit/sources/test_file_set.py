"""A directory of manifests: broken files cost nothing, only what is really gone is gone, nothing is parsed twice."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xds.decoders.shape import manifests
from xds.sources import file_set
from xds.sources.changes import Changed, Replaced
from xds.sources.file_set import FileSet
from xds.sources.files import load
from xds.sources.store import ObjectStore


def service(name: str, port: object = 80) -> str:
    metadata = f"{{name: {name}, namespace: shop}}"
    return f"apiVersion: v1\nkind: Service\nmetadata: {metadata}\nspec: {{ports: [{{port: {port}}}]}}\n"


class Folder:
    """A directory, the set of its files, and the store they feed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = FileSet(root, size_limit_bytes=100_000)
        self.store = ObjectStore([self.files.name])

    def write(self, name: str, *documents: str) -> Any:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\n".join(documents))
        return self.scan()

    def scan(self) -> Any:
        change = self.files.scan()
        if change is not None:
            self.store.apply(change)
        return change

    @property
    def ports(self) -> dict[str, int]:
        return {found.ref.name: found.struct.spec.ports[0].port for found in self.store}

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.store.problems()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_first_look_is_the_whole_and_the_next_the_difference(folder: Folder) -> None:
    first = folder.write("a.yaml", service("a"), service("b"))
    assert isinstance(first, Replaced)
    assert folder.scan() is None
    change = folder.write("a.yaml", service("a"), service("b", 81))
    assert isinstance(change, Changed)
    assert [found.ref.name for found in change.upserts] == ["b"]
    assert folder.ports == {"a": 80, "b": 81}


def test_a_field_that_is_wrong_costs_its_own_object_only(folder: Folder) -> None:
    folder.write("a.yaml", service("a"), service("b"))
    folder.write("a.yaml", service("a", 81), service("b", "eighty"))
    assert folder.ports == {"a": 81, "b": 80}
    assert folder.codes == ["field.integer"]
    folder.write("a.yaml", service("a", 81), service("b", 82))
    assert folder.ports == {"a": 81, "b": 82}
    assert folder.codes == []


def test_a_document_that_cannot_be_told_keeps_what_its_file_had(folder: Folder) -> None:
    folder.write("a.yaml", service("a"), service("b"))
    folder.write("a.yaml", service("a"), "kind: Service\n\tbroken")
    assert folder.ports == {"a": 80, "b": 80}
    folder.write("a.yaml", service("a"))
    assert folder.ports == {"a": 80}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\0\1\2", "file.binary"),
        (b"\xff\xff", "file.binary"),
        (b"#" * 200_000, "file.too-large"),
        (b"a: [", "yaml.syntax"),
        (service("a").replace("Service", "Servce").encode(), "object.kind-unknown"),
    ],
)
def test_a_file_that_breaks_keeps_all_it_had(folder: Folder, content: bytes, code: str) -> None:
    folder.write("a.yaml", service("a"))
    (folder.root / "a.yaml").write_bytes(content)
    folder.scan()
    assert folder.ports == {"a": 80}
    assert folder.codes == [code]


def test_what_is_gone_is_gone(folder: Folder) -> None:
    folder.write("a.yaml", service("a"), service("b"))
    folder.write("b.yaml", service("c"))
    folder.write("a.yaml", service("a"))
    assert folder.ports == {"a": 80, "c": 80}
    (folder.root / "b.yaml").unlink()
    folder.scan()
    assert folder.ports == {"a": 80}
    folder.write("a.yaml", "# nothing\n")
    assert folder.ports == {}


def test_an_object_may_move_between_files(folder: Folder) -> None:
    folder.write("a.yaml", service("a"))
    (folder.root / "a.yaml").rename(folder.root / "b.yaml")
    change = folder.scan()
    assert change.deletes == ()
    assert folder.ports == {"a": 80}


def test_of_two_with_one_name_the_first_counts_until_it_goes(folder: Folder) -> None:
    folder.write("a.yaml", service("a", 1))
    folder.write("b.yaml", service("a", 2))
    assert folder.ports == {"a": 1}
    (problem,) = folder.store.problems()
    assert f"the one at {folder.root}/a.yaml:1 counts" in problem.message
    assert problem.origin is not None
    assert problem.origin.source.endswith("b.yaml")
    (folder.root / "a.yaml").unlink()
    folder.scan()
    assert folder.ports == {"a": 2}
    assert folder.codes == []


def test_editors_leavings_are_not_read(folder: Folder) -> None:
    for name in (".a.yaml.swp", "a.yaml~", "#a.yaml#", "a.yaml.bak", ".git/a.yaml", "notes.txt", "4913"):
        folder.write(name, service("a"))
    (folder.root / ".#a.yaml").symlink_to("nobody@nowhere.1234")
    (folder.root / "dangling.yaml").symlink_to("nothing")
    folder.scan()
    assert folder.ports == {}
    assert folder.codes == []


def test_an_editor_that_renames_over_the_file(folder: Folder) -> None:
    folder.write("a.yaml", service("a", 1))
    (folder.root / "a.yaml.tmp").write_text(service("a", 2))
    (folder.root / "a.yaml.tmp").replace(folder.root / "a.yaml")
    folder.scan()
    assert folder.ports == {"a": 2}


def test_folders_below_and_links_in_a_circle(folder: Folder) -> None:
    folder.write("deep/er/a.yml", service("a"))
    metadata, spec = '{"name": "b"}', '{"ports": [{"port": 1}]}'
    folder.write("deep/b.json", f'{{"apiVersion": "v1", "kind": "Service", "metadata": {metadata}, "spec": {spec}}}')
    (folder.root / "deep" / "up").symlink_to(folder.root)
    folder.scan()
    assert folder.ports == {"a": 80, "b": 1}
    assert folder.codes == []


def test_a_config_map_volume_swaps_all_its_files_at_once(folder: Folder) -> None:
    for version in (1, 2):
        folder_of_version = folder.root / f"..{version}"
        folder_of_version.mkdir()
        (folder_of_version / "a.yaml").write_text(service("a", version))
    (folder.root / "..data").symlink_to("..1")
    (folder.root / "a.yaml").symlink_to("..data/a.yaml")
    folder.scan()
    assert folder.ports == {"a": 1}
    (folder.root / "..next").symlink_to("..2")
    (folder.root / "..next").replace(folder.root / "..data")
    folder.scan()
    assert folder.ports == {"a": 2}


def test_unchanged_documents_are_not_parsed_again(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counting(document: Any) -> Any:
        parsed.append(document.text)
        return manifests.read_document(document)

    monkeypatch.setattr(file_set, "read_document", counting)
    folder.write("a.yaml", service("a"), service("b"))
    before = {found.ref: found.struct for found in folder.store}
    parsed.clear()
    folder.write("a.yaml", "# a new first line\n" + service("c"), service("a"), service("b"))
    assert len(parsed) == 1
    assert all(found.struct is before.get(found.ref, found.struct) for found in folder.store)
    lines = {found.ref.name: found.origin.line for found in folder.store}
    assert lines == {"a": 7, "b": 12, "c": 2}


def test_a_directory_out_of_sight_is_not_an_empty_one(folder: Folder) -> None:
    folder.write("a.yaml", service("a"))
    folder.root.rename(folder.root.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        folder.files.scan()
    folder.root.with_name("elsewhere").rename(folder.root)
    assert folder.scan() is None
    assert folder.ports == {"a": 80}


def test_a_file_without_end_is_too_large() -> None:
    (problem,) = load(Path("/dev/zero"), size_limit_bytes=100_000).problems
    assert problem.code == "file.too-large"


def test_ten_thousand_objects_load_in_seconds(tmp_path: Path) -> None:
    for part in range(100):
        documents = "---\n".join(service(f"s-{part}-{index}") for index in range(100))
        (tmp_path / f"{part}.yaml").write_text(documents)
    started = time.monotonic()
    loaded = load(tmp_path)
    assert len(loaded.objects) == 10_000
    assert time.monotonic() - started < 20


CONTENT = st.one_of(st.integers(1, 3), st.just("broken"))
DOCUMENTS = st.none() | st.just("unreadable") | st.dictionaries(st.sampled_from("abc"), CONTENT, max_size=3)
STEP = st.tuples(st.sampled_from(["1.yaml", "2.yaml"]), DOCUMENTS)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=12))
def test_last_good_versions_over_any_history(steps: list[tuple[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder, on_disk, last = Folder(Path(root)), dict[str, Any](), dict[str, int]()
        owner: dict[str, str] = {}
        for name, content in steps:
            path = Path(root, name)
            on_disk[name] = content
            if content is None:
                path.unlink(missing_ok=True)
            elif content == "unreadable":
                path.write_text("a: [")
            else:
                path.write_text("---\n".join(service(key, port) for key, port in content.items()))
            folder.scan()
            last, owner = expected(on_disk, last, owner)
            assert folder.ports == last


def expected(
    on_disk: dict[str, Any], last: dict[str, int], owner: dict[str, str]
) -> tuple[dict[str, int], dict[str, str]]:
    """What must be served: good versions, the first file's; else the last good one where a broken one stands."""
    now: dict[str, int] = {}
    whose: dict[str, str] = {}
    for name in sorted(on_disk):
        if isinstance(on_disk[name], dict):
            for key, port in on_disk[name].items():
                if port != "broken" and key not in now:
                    now[key], whose[key] = port, name
    for key, port in last.items():
        held = any(isinstance(content, dict) and content.get(key) == "broken" for content in on_disk.values())
        if key not in now and (held or on_disk.get(owner[key]) == "unreadable"):
            now[key], whose[key] = port, owner[key]
    return now, whose
