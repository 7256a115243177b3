"""Golden cases of what RateLimits make of a workload's filters, each also read by the real Envoy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.golden.authorization_case import Case, outcome
from tests.golden.compared import compare
from tests.golden.test_authorization import ENVOY, validated

CASES: Final = sorted((Path(__file__).parent / "rate_limits").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: str) -> None:
    compare(path, outcome(path.read_text()), golden)


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    cases = [Case(yaml.safe_load(path.read_text())) for path in CASES]
    configs = [config for case in cases for slot, config in case.filters("http") if "service" not in slot]
    assert validated(configs, [], tmp_path) == ""
