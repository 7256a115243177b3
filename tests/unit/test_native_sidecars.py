"""Which clusters have native sidecars."""

from __future__ import annotations

import pytest

from xds.native_sidecars import new_enough


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
