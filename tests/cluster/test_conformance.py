"""A few tests of the Gateway API's conformance suite, those that need the most; `make conformance` runs all of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.plait import installed
from tests.kube.api_server import CACHE
from tools.conformance.claims import GATEWAY_CLAIM, MESH_CLAIM
from tools.conformance.cluster import NAMESPACES, REPOSITORY, built
from tools.conformance.images import IMAGES
from tools.conformance.report import outcomes
from tools.conformance.suite import Choice, Claim, arguments, run

_MESH: Final = (
    "MeshBasic",
    "MeshFrontend",
    "MeshFrontendHostname",
    "MeshGRPCRouteWeight",
    "MeshHTTPRouteSimpleSameNamespace",
)
_GATEWAY: Final = (
    "GatewayModifyListeners",
    "GRPCExactMethodMatching",
    "HTTPRouteMatching",
    "TLSRouteSimpleSameNamespace",
)


@pytest.fixture(scope="module")
def programs(cluster: Cluster) -> Iterator[Path]:
    """The suite's programs, in a cluster with Plait and a GatewayClass."""
    if not cluster.node:
        pytest.skip("the suite must run on the node, where addresses of Gateways lead somewhere")
    try:
        folder = built()
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"the conformance suite cannot be built here: {error}")
    subprocess.run([REPOSITORY / "kind-cluster/node/load", folder / IMAGES], check=True)
    definitions = str(folder / "crds.yaml")
    cluster.kubectl("apply", "--server-side", "-f", definitions)
    with installed(cluster):
        for state in ("create", "condition=Accepted"):
            cluster.kubectl("wait", f"--for={state}", "gatewayclass/plait", "--timeout=60s", within_s=70)
        yield folder
        cluster.kubectl("delete", "namespace", *NAMESPACES, "--ignore-not-found", within_s=120)
    cluster.kubectl("delete", "-f", definitions, within_s=120)


@pytest.mark.parametrize(("claim", "tests"), [(MESH_CLAIM, _MESH), (GATEWAY_CLAIM, _GATEWAY)], ids=["mesh", "gateway"])
def test_the_suite_passes(
    claim: Claim, tests: tuple[str, ...], cluster: Cluster, programs: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    told = arguments(claim, tmp_path / "report.yaml", Choice(tests, quick=True, keep=True))
    node = ("env", f"NODE_DIR={os.environ.get('NODE_DIR') or CACHE.parent / 'node'}", *cluster.node)
    passed = run(programs / "conformance.test", node, told, log)
    text = log.read_text(errors="replace")
    assert passed, text[-20_000:]
    assert outcomes(text) == dict.fromkeys(sorted(tests), "passed")
