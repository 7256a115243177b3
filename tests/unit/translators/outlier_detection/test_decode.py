"""OutlierDetection, read."""

from __future__ import annotations

from tests.unit.translators.traffic_policy import mesh_config, read, traffic_policy
from xds.translators.outlier_detection.decode import mesh_outlier_detection, outlier_detection
from xds.translators.outlier_detection.policy import OutlierDetection


def test_absent_is_no_policy() -> None:
    assert read(outlier_detection, traffic_policy({})) == (None, [])
    assert read(mesh_outlier_detection, mesh_config({"defaultTrafficPolicy": {}})) == (None, [])


def test_empty_block_is_envoys_own() -> None:
    assert read(outlier_detection, traffic_policy({"outlierDetection": {}})) == (OutlierDetection(), [])


def test_zero_turns_a_reason_off_and_is_not_absent() -> None:
    policy, _ = read(outlier_detection, traffic_policy({"outlierDetection": {"consecutive5xxErrors": 0}}))
    assert policy == OutlierDetection(consecutive_5xx=0)


def test_statuses_are_sorted_and_checked() -> None:
    plain = {"outlierDetection": {"outlierDetectionHttpErrorCodes": [503, 429, 503, 42]}}
    policy, problems = read(outlier_detection, traffic_policy(plain))
    assert policy.error_statuses == (42, 429, 503)
    assert problems == ["outlierDetection.outlierDetectionHttpErrorCodes[3] outlier-detection.status"]


def test_mesh_default() -> None:
    plain = {"defaultTrafficPolicy": {"outlierDetection": {"maxEjectionPercent": 20}}}
    assert read(mesh_outlier_detection, mesh_config(plain)) == (OutlierDetection(max_ejection_percent=20), [])


def test_fields_in_vain() -> None:
    plain = {"outlierDetection": {"consecutiveErrors": 5, "consecutiveLocalOriginFailures": 3}}
    assert read(outlier_detection, traffic_policy(plain))[1] == [
        "outlierDetection.consecutiveErrors outlier-detection.consecutive-errors",
        "outlierDetection.consecutiveLocalOriginFailures outlier-detection.local-failures",
    ]
