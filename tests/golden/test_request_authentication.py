"""Golden cases of what RequestAuthentications make of a workload's filters, each also read by the real Envoy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.golden.authorization_case import Case, outcome
from tests.golden.compared import compare
from tests.golden.test_authorization import ENVOY, validated

CASES: Final = sorted((Path(__file__).parent / "request_authentication").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: str) -> None:
    compare(path, outcome(path.read_text()), golden)


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
def test_envoy_takes_all(tmp_path: Path) -> None:
    cases = [Case(yaml.safe_load(path.read_text())) for path in CASES]
    assert validated([config for case in cases for _, config in case.filters("http")], [], tmp_path) == ""


@pytest.mark.envoy
@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
@pytest.mark.parametrize(
    "numbers",
    [
        {"kty": "RSA", "n": "gA", "e": "AQAB"},  # a key, but too short
        {"kty": "RSA", "n": "3w" * 200, "e": "3w" * 200},
        {"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"},  # no point of the curve
        {"kty": "OKP", "crv": "Ed25519", "x": "AQ"},
    ],
    ids=lambda numbers: numbers["kty"],
)
def test_envoy_takes_keys_that_are_none(numbers: dict[str, str], tmp_path: Path) -> None:
    spec = {"jwtRules": [{"issuer": "a", "jwks": json.dumps({"keys": [numbers]})}]}
    given = {"kind": "RequestAuthentication", "metadata": {"name": "a", "namespace": "shop"}, "spec": spec}
    case = Case({"given": [given]})
    configs = [config for _, config in case.filters("http")]
    assert configs
    assert validated(configs, [], tmp_path) == ""
