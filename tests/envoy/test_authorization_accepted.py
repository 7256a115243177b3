"""Random AuthorizationPolicies that are right, each read by the real Envoy, which aborts over some mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.golden.test_authorization import ENVOY, validated
from tests.unit.translators.authorization_policies import MESH, build, policies, translated

pytestmark = pytest.mark.envoy


@pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")
@settings(
    max_examples=20,
    deadline=None,
    phases=(Phase.generate,),  # what fails is long, and making it short takes long
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(policies(largest=8))
def test_envoy_takes_what_is_right(tmp_path: Path, manifests: list[dict[str, Any]]) -> None:
    graph, _ = build(MESH, *manifests)
    found = translated(graph)
    http = [config for (_, tcp), config in found.items() if not tcp]
    tcp = [config for (_, tcp), config in found.items() if tcp]
    assert validated(http, tcp, tmp_path) == ""
