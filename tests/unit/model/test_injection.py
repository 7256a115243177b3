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
    ("namespace", "labels", "of_default", "of_canary"),
    [
        (ON, {}, True, False),
        (ON, {"istio.io/rev": "canary"}, True, False),
        ({"istio.io/rev": "canary"}, {}, False, True),
        ({"istio.io/rev": "canary"}, {"istio.io/rev": "default"}, False, True),
        ({"istio.io/rev": "canary"}, {INJECT: "true"}, False, True),
        ({}, {"istio.io/rev": "canary"}, False, True),
        ({}, {INJECT: "true"}, True, False),
        ({}, {}, False, False),
        (None, {}, True, True),
        (None, {INJECT: "true"}, True, True),
        (None, {"istio.io/rev": "stable"}, True, True),
        (None, {INJECT: "false"}, False, False),
    ],
)
def test_a_pod_belongs_to_one_revision(
    namespace: dict[str, str] | None, labels: dict[str, str], of_default: bool, of_canary: bool
) -> None:
    pod = Candidate("shop", namespace, labels)
    assert decide(pod, frozenset({"default"})).inject is of_default
    assert decide(pod, frozenset({"canary"})).inject is of_canary
