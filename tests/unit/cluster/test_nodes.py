"""Which clusters have native sidecars."""

from __future__ import annotations

import pytest

from tests.objects import applied, written
from xds.cluster.nodes import native_sidecars, new_enough
from xds.decoders.build import Builder


@pytest.mark.parametrize(
    ("versions", "answer"),
    [
        ([], False),
        (["v1.29.0"], True),
        (["v1.36.3", "v1.28.15"], False),
        (["v1.30.1-gke.200", "v1.31.0+k3s1"], True),
        (["unknown"], False),
        (["v2.0.0"], True),
    ],
)
def test_every_node_counts(versions: list[str], answer: bool) -> None:
    assert new_enough(versions) is answer


def node(name: str, version: str) -> str:
    return f"""
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
status: {{nodeInfo: {{kubeletVersion: {version}}}}}
"""


def test_nodes_tell_and_a_cluster_without_any_does_not() -> None:
    builder = Builder()
    assert not native_sidecars(builder.snapshot)
    assert native_sidecars(applied(builder, written(node("a", "v1.36.3"))).snapshot)
    assert not native_sidecars(applied(builder, written(node("b", "v1.27.0"))).snapshot)
