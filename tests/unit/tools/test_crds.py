"""The file of definitions that is checked in."""

from __future__ import annotations

import json

from tools import crds
from xds.kinds.crds.definitions import all_crds


def test_the_file_says_what_the_structs_say() -> None:
    assert crds.FILE.read_text() == crds.document(), "python -m tools.crds writes it anew"


def test_each_definition_can_be_applied_by_a_client() -> None:
    """`kubectl apply` without --server-side keeps the whole object in an annotation, which holds 256 KiB."""
    for definition in all_crds():
        assert len(json.dumps(definition)) < 250_000, definition["metadata"]["name"]
