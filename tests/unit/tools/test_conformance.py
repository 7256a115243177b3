"""What is told to the Gateway API's conformance suite, and the page that is made of its reports."""

from __future__ import annotations

from pathlib import Path

import yaml

from tools.conformance.claims import CLAIMS, GATEWAY_CLAIM, MESH_CLAIM
from tools.conformance.report import counted, keep, outcomes, write_page
from tools.conformance.suite import Choice, arguments
from xds.controllers.gateway_api.features import SUPPORTED

LOG = """\
--- FAIL: TestConformance (16.01s)
    --- FAIL: TestConformance/MeshWeight (12.01s)
        --- FAIL: TestConformance/MeshWeight/0_request (12.00s)
    --- PASS: TestConformance/MeshBasic (0.30s)
    --- SKIP: TestConformance/UDPRoute (0.00s)
"""
REPORT = {
    "gatewayAPIVersion": "v1.6.3",
    "gatewayAPIChannel": "standard",
    "profiles": [
        {
            "name": "MESH-HTTP",
            "core": {"result": "failure", "statistics": {"Passed": 1, "Failed": 1, "Skipped": 0}},
            "extended": {"unsupportedFeatures": ["MeshClusterIPMatching"]},
        }
    ],
}


def test_only_tests_that_ran_count_each_once() -> None:
    assert outcomes(LOG) == {"MeshBasic": "passed", "MeshWeight": "failed"}
    assert counted(outcomes(LOG)) == "1 failed, 1 passed"
    assert counted({}) == "no test ran"


def test_the_page_says_what_failed_and_why(tmp_path: Path) -> None:
    made = tmp_path / "made.yaml"
    made.write_text(yaml.safe_dump(REPORT))
    keep(tmp_path, "mesh", made, outcomes(LOG))
    (tmp_path / "reasons.yaml").write_text("MeshWeight: the dice\nMeshClusterIPMatching: the host decides\n")
    write_page(tmp_path)
    page = (tmp_path / "README.md").read_text()
    assert "| MESH-HTTP | failure: 1 of 2 | none |" in page
    assert "| MeshWeight | the dice |" in page
    assert "| MeshClusterIPMatching | the host decides |" in page
    assert "Passed: MeshBasic" in page


def test_a_choice_of_tests_is_anchored_so_that_no_other_one_runs() -> None:
    told = arguments(MESH_CLAIM, Path("/r.yaml"), Choice(("A", "B")))
    assert "-test.run=^TestConformance$/^(A|B)$" in told
    assert "-namespace-labels=istio-injection=enabled" in told
    assert "-test.run=^TestConformance$" in arguments(GATEWAY_CLAIM, Path("/r.yaml"), Choice())
    assert any("RequiredConsecutiveSuccesses:12" in each for each in told)


def test_what_is_claimed_is_what_the_class_says() -> None:
    assert {feature for claim in CLAIMS for feature in claim.features} <= set(SUPPORTED)
