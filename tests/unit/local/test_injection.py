"""Whether a sidecar is injected."""

from __future__ import annotations

import pytest

from xds.local.injection import INJECT, should_inject

ON, OFF = {"istio-injection": "enabled"}, {"istio-injection": "disabled"}


@pytest.mark.parametrize(
    ("namespace", "labels", "annotations", "host_network", "wanted"),
    [
        ({}, {}, {}, False, False),
        (ON, {}, {}, False, True),
        (OFF, {}, {}, False, False),
        (ON, {}, {}, True, False),
        (ON, {INJECT: "false"}, {}, False, False),
        (ON, {}, {INJECT: "false"}, False, False),
        (ON, {INJECT: "true"}, {INJECT: "false"}, False, True),
        ({}, {INJECT: "true"}, {}, False, True),
        (OFF, {INJECT: "true"}, {}, False, False),
        ({"istio.io/rev": "stable"}, {}, {}, False, True),
        ({}, {"istio.io/rev": "stable"}, {}, False, True),
        (ON, {INJECT: "perhaps"}, {}, False, True),
    ],
)
def test_should_inject(
    namespace: dict[str, str], labels: dict[str, str], annotations: dict[str, str], host_network: bool, wanted: bool
) -> None:
    assert should_inject(namespace, labels, annotations, host_network) is wanted


def test_system_namespaces_never() -> None:
    assert not should_inject(ON, {INJECT: "true"}, {}, False, namespace="kube-system")
