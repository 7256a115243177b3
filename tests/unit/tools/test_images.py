"""Layers and archives of images."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from tools.images.archive import Image, write_archive, write_layer
from tools.images.layers import LayerCache, unpack


def _fill(root: Path) -> None:
    (root / "etc").mkdir()
    (root / "etc/hello").write_text("hello")
    (root / "link").symlink_to("etc/hello")


def test_equal_trees_are_equal_layers(tmp_path: Path) -> None:
    digests = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _fill(tmp_path / name)
        digests.add(write_layer(tmp_path / name, tmp_path / f"{name}.tar").digest)
    assert len(digests) == 1


def test_a_layer_is_made_once_for_its_key_and_only_the_newest_is_kept(tmp_path: Path) -> None:
    cache = LayerCache(tmp_path / "layers")
    made = list[str]()

    def make(root: Path) -> None:
        made.append("made")
        (root / "number").write_text(str(len(made)))

    first = cache.layer("numbers", ["key"], make)
    assert cache.layer("numbers", ["key"], make) == first
    second = cache.layer("numbers", ["another key"], make)
    assert len(made) == 2
    assert not first.path.exists()
    unpack(second, tmp_path)
    assert (tmp_path / "number").read_text() == "2"


def test_every_blob_of_an_archive_is_named_by_its_digest_and_there_once(tmp_path: Path) -> None:
    layer = LayerCache(tmp_path / "layers").layer("only", "key", _fill)
    images = [Image("plait.test/a:1", [layer], ["/a"], "65532:65532"), Image("plait.test/b:1", [layer])]
    write_archive(images, "amd64", tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as tar:
        content = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        assert len(tar.getnames()) == len(set(tar.getnames()))
    blobs = {name.removeprefix("blobs/sha256/"): blob for name, blob in content.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(blob).hexdigest() == digest for digest, blob in blobs.items())
    index = json.loads(content["index.json"])
    names = [manifest["annotations"]["io.containerd.image.name"] for manifest in index["manifests"]]
    assert names == ["plait.test/a:1", "plait.test/b:1"]
    manifest = json.loads(blobs[index["manifests"][0]["digest"].removeprefix("sha256:")])
    config = json.loads(blobs[manifest["config"]["digest"].removeprefix("sha256:")])
    assert config["config"]["Entrypoint"] == ["/a"]
    assert config["config"]["User"] == "65532:65532"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer.digest}"]
    assert layer.digest in blobs
