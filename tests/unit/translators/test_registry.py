"""Features are found by their folders."""

from __future__ import annotations

from pathlib import Path

from xds import translators
from xds.translators.registry import by_policy, features, reads
from xds.translators.retries import FEATURES, RetryPolicy


def test_every_folder_is_a_feature() -> None:
    folders = {path.parent.name for path in Path(*translators.__path__).glob("*/policy.py")}
    assert {feature.policy.__module__.split(".")[-2] for feature in features()} == folders


def test_a_policy_has_one_feature() -> None:
    kinds = [feature.policy for feature in features()]
    assert len(kinds) == len(set(kinds))
    assert by_policy(RetryPolicy) is FEATURES[0]


def test_reads_are_what_features_say() -> None:
    assert "VirtualService.spec.http[].retries" in reads()
    assert list(reads()) == sorted(set(reads()))
    assert all(feature.reads for feature in features() if feature.decode)
