"""Injection of any pod: never an exception, nothing lost, nothing done twice."""

from __future__ import annotations

import json
import time
from copy import deepcopy
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.envoy.injected_pod import VARIABLES, container, expanded
from xds.webhooks.inject import Injected, InjectionSettings, inject, json_patch

SETTINGS: Final = InjectionSettings()
NATIVE: Final = InjectionSettings(native_sidecars=True)

_TEXT: Final = st.text(max_size=12)
_NAME: Final = st.sampled_from(["web", "db", "istio-proxy", "a$(POD_NAME)"])
_PORT: Final = st.one_of(st.integers(1, 65535), st.sampled_from(["http", "8080", "nothing", "²"]))
_HEADER: Final = st.fixed_dictionaries({"name": st.sampled_from(["Host", "X"]), "value": _TEXT})
_HTTP: Final = st.fixed_dictionaries(
    {"port": _PORT},
    optional={
        "path": _TEXT,
        "scheme": st.sampled_from(["HTTP", "HTTPS"]),
        "httpHeaders": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["Host", "X"]), "value": _TEXT}), max_size=2
        ),
    },
)
_ACTION: Final = st.one_of(
    st.fixed_dictionaries({"httpGet": _HTTP}),
    st.fixed_dictionaries({"tcpSocket": st.fixed_dictionaries({"port": _PORT})}),
    st.fixed_dictionaries({"grpc": st.fixed_dictionaries({"port": st.integers(1, 65535)})}),
    st.fixed_dictionaries({"exec": st.fixed_dictionaries({"command": st.lists(_TEXT, max_size=2)})}),
)
_PROBE: Final = st.builds(
    lambda action, numbers: {**action, **numbers},
    _ACTION,
    st.fixed_dictionaries({}, optional={"timeoutSeconds": st.integers(0, 99), "periodSeconds": st.integers(0, 99)}),
)
_PORTS: Final = st.fixed_dictionaries({"name": st.just("http"), "containerPort": st.integers(1, 65535)})
_CONTAINER: Final = st.fixed_dictionaries(
    {"name": _NAME, "image": st.just("web")},
    optional={
        "ports": st.lists(
            st.fixed_dictionaries({"name": st.just("http"), "containerPort": st.integers(1, 65535)}), max_size=2
        ),
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "startupProbe": _PROBE,
        "lifecycle": st.fixed_dictionaries({"preStop": _ACTION}),
        "env": st.lists(st.fixed_dictionaries({"name": _TEXT, "value": _TEXT}), max_size=2),
    },
)
_KEYS: Final = st.sampled_from(
    [
        "sidecar.istio.io/proxyCPU",
        "sidecar.istio.io/userVolume",
        "sidecar.istio.io/nativeSidecar",
        "sidecar.istio.io/interceptionMode",
        "sidecar.istio.io/rewriteAppHTTPProbers",
        "traffic.sidecar.istio.io/excludeInboundPorts",
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        "proxy.istio.io/config",
        "inject.istio.io/templates",
        "readiness.status.sidecar.istio.io/periodSeconds",
        "other",
    ]
)
_VALUES: Final = st.one_of(
    _TEXT, st.sampled_from(["true", "false", "8080", "100m", "[]", "gateway", "concurrency: 0", "{}", "NONE", "²", "*"])
)
PODS: Final = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": st.just("web-1")},
            optional={
                "labels": st.dictionaries(st.sampled_from(["app", "version", "x"]), _TEXT, max_size=3),
                "annotations": st.dictionaries(_KEYS, _VALUES, max_size=4),
            },
        ),
        "spec": st.fixed_dictionaries(
            {"containers": st.lists(_CONTAINER, min_size=1, max_size=3, unique_by=lambda each: str(each["name"]))},
            optional={
                "initContainers": st.lists(_CONTAINER, max_size=2, unique_by=lambda each: str(each["name"])),
                "volumes": st.lists(st.fixed_dictionaries({"name": _TEXT, "emptyDir": st.just({})}), max_size=2),
                "restartPolicy": st.sampled_from(["Always", "Never"]),
                "futureField": st.integers(),
            },
        ),
    }
)
_WORDS: Final = """metadata spec containers initContainers annotations labels name livenessProbe httpGet port ports
securityContext lifecycle volumes proxy.istio.io/config ownerReferences httpHeaders path env"""
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(_WORDS.split()),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@given(PODS, st.sampled_from([SETTINGS, NATIVE]))
@settings(max_examples=150, deadline=None)
def test_any_pod(pod: dict[str, Any], how: InjectionSettings) -> None:
    before = deepcopy(pod)
    outcome = inject(pod, "shop", how)
    assert pod == before
    if outcome.pod is None:
        assert any(each.severity.value == "error" for each in outcome.problems)
        return
    assert inject(outcome.pod, "shop", how) == Injected(None, "it has its sidecar already")
    assert outcome.pod["spec"].get("futureField") == pod["spec"].get("futureField")
    proxy = container(outcome.pod, "istio-proxy")
    bootstrap = json.loads(expanded(proxy["args"][1]))
    labels = bootstrap["node"]["metadata"]["LABELS"]
    assert labels == outcome.pod["metadata"]["labels"]
    assert bootstrap["node"]["metadata"]["NAME"] == VARIABLES["POD_NAME"]
    assert _applied(before, json_patch(before, outcome.pod)) == outcome.pod


@given(_JSON)
@settings(max_examples=200, deadline=None)
def test_garbage_is_no_exception(value: Any) -> None:
    pod = value if isinstance(value, dict) else {"spec": value, "metadata": value}
    inject(pod, "shop", SETTINGS)
    inject(pod, "shop", NATIVE)


def _applied(document: Any, patch: list[dict[str, Any]]) -> Any:
    """The document after a JSON patch of objects' fields."""
    made = deepcopy(document)
    for operation in patch:
        *path, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        place = made
        for step in path:
            place = place[step]
        if operation["op"] == "remove":
            del place[last]
        else:
            assert (last in place) is (operation["op"] == "replace")
            place[last] = operation["value"]
    return made


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
        ({"a": True}, {"a": 1}, [{"op": "replace", "path": "/a", "value": 1}]),
        ({"m": {}}, {"m": {"a.b/c~d": ""}}, [{"op": "add", "path": "/m/a.b~1c~0d", "value": ""}]),
        ({"l": [1]}, {"l": [1, 2]}, [{"op": "replace", "path": "/l", "value": [1, 2]}]),
        ({}, {"m": {"a": 1}}, [{"op": "add", "path": "/m", "value": {"a": 1}}]),
    ],
)
def test_patches(before: Any, after: Any, patch: list[dict[str, Any]]) -> None:
    assert json_patch(before, after) == patch


@pytest.mark.parametrize(
    ("owner", "labels", "workload"),
    [
        ({"kind": "ReplicaSet", "name": "web-7c9f"}, {"pod-template-hash": "7c9f"}, "web"),
        ({"kind": "ReplicaSet", "name": "web-7c9f"}, {}, "web-7c9f"),
        ({"kind": "Job", "name": "report-28493820"}, {}, "report"),
        ({"kind": "StatefulSet", "name": "db"}, {}, "db"),
        ({}, {}, "web"),
    ],
)
def test_workloads(owner: dict[str, str], labels: dict[str, str], workload: str) -> None:
    owners = [{**owner, "controller": True}] if owner else []
    pod = {
        "metadata": {"generateName": "web-", "labels": labels, "ownerReferences": owners},
        "spec": {"containers": [{"name": "a", "image": "a"}]},
    }
    outcome = inject(pod, "shop", SETTINGS)
    assert outcome.pod is not None
    metadata = json.loads(container(outcome.pod, "istio-proxy")["args"][1])["node"]["metadata"]
    assert metadata["WORKLOAD_NAME"] == workload
    assert outcome.pod["metadata"]["labels"]["service.istio.io/canonical-name"] == workload


def test_pods_of_windows_are_left_alone() -> None:
    pod = {"spec": {"os": {"name": "windows"}, "containers": [{"name": "a"}]}}
    assert inject(pod, "shop", SETTINGS) == Injected(None, "it runs on Windows")


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        ({}, {"containers": [{"name": "a"}] * 501}),
        ({}, {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}] * 200_000}),
        ({"annotations": {"proxy.istio.io/config": "x" * 262_144}}, {"containers": [{"name": "a"}]}),
    ],
)
def test_a_pod_that_would_only_keep_others_waiting_is_refused_at_once(
    metadata: dict[str, Any], spec: dict[str, Any]
) -> None:
    began = time.process_time()
    outcome = inject({"metadata": metadata, "spec": spec}, "shop", SETTINGS)
    assert time.process_time() - began < 0.2
    assert (outcome.pod, [each.code for each in outcome.problems]) == (None, ["pod.too-large"])


def test_a_variable_is_put_in_only_where_we_want_it() -> None:
    assert expanded("$$(POD_NAME) $(UNKNOWN) $(POD_NAMESPACE)") == "$(POD_NAME) $(UNKNOWN) shop"
