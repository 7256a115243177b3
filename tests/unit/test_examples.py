"""The examples fit this version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xds import __version__

MANIFESTS = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_images_are_of_this_version(path: Path) -> None:
    # A tag, since clusters would fetch `latest` anew for each pod.
    assert {tag for _, tag in re.findall(r"(plait/\w+)(:[\w.]+)?", path.read_text())} <= {f":{__version__}"}
