"""Whether a sidecar is injected."""

from __future__ import annotations

import pytest

from xds.model.injection import INJECT, STATUS, Candidate, decide

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
def test_decide(
    namespace: dict[str, str], labels: dict[str, str], annotations: dict[str, str], host_network: bool, wanted: bool
) -> None:
    assert decide(Candidate("shop", namespace, labels, annotations, host_network)).inject is wanted


def test_system_namespaces_never() -> None:
    assert not decide(Candidate("kube-system", ON, {INJECT: "true"})).inject


def test_whoever_has_a_sidecar_is_left_alone() -> None:
    assert decide(Candidate("shop", ON, {}, {STATUS: "{}"})).reason == "it has its sidecar already"


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [({}, True), ({INJECT: "true"}, True), ({"istio.io/rev": "stable"}, True), ({INJECT: "false"}, False)],
)
def test_what_the_webhooks_selectors_chose(labels: dict[str, str], wanted: bool) -> None:
    assert decide(Candidate("shop", None, labels)).inject is wanted
