"""Injected pods, as a real API server takes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.golden.injection_case import Case
from tests.kube.api_server import ApiServer
from xds.webhooks.inject import InjectionSettings, inject

CASES: Final = sorted((Path(__file__).parents[1] / "golden" / "injection").glob("*.yaml"))
RESTRICTED: Final = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def created(api_server: ApiServer, namespace: str, pod: dict[str, Any]) -> str:
    """What the API server has against the pod, and what it warns of; empty when nothing."""
    # What the admission of service accounts does, which is off here, and comes before webhooks elsewhere.
    whole = {"apiVersion": "v1", "kind": "Pod", **pod, "spec": {"serviceAccountName": "default", **pod["spec"]}}
    arguments = ("create", "--dry-run=server", "-n", namespace, "-f", "-", "-o", "name")
    return api_server.kubectl(*arguments, stdin=json.dumps(whole), check=False).stderr


def test_goldens_are_accepted(api_server: ApiServer, namespace: str) -> None:
    for path in CASES:
        pod = Case(path.read_text()).injected.pod
        # Its labels cannot be labels, on purpose.
        if pod is not None and path.stem != "escaped":
            assert created(api_server, namespace, pod) == "", path.stem


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("cni", [False, True])
def test_restricted_namespaces_take_them_where_an_agent_sets_the_rules(
    api_server: ApiServer, namespace: str, native: bool, cni: bool
) -> None:
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    pod = {
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "web", "image": "web", "securityContext": RESTRICTED}]},
    }
    outcome = inject(pod, namespace, InjectionSettings(native_sidecars=native, cni=cni))
    assert outcome.pod is not None
    said = created(api_server, namespace, outcome.pod)
    if cni:
        assert said == ""
    else:
        assert 'container "istio-init"' in said
        assert "istio-proxy" not in said
