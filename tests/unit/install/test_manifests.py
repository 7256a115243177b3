"""The objects of an installation: what may be done, what is sent where, what two revisions share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from xds.cluster.gateway_statuses import STATUS_KINDS
from xds.controllers.policies import POLICY_KINDS
from xds.decoders.shape.api_objects import api_kinds
from xds.install.manifests import KINDS, manifests
from xds.install.tags import tag_objects
from xds.install.values import Values

EVERYTHING = Values(autoscale_max=5, network_policies=True, cni=True)
CANARY = replace(EVERYTHING, revision="canary")
START_FIRST = ("kube-system", "kube-public", "kube-node-lease", "istio-system")


def of_kind(kind: str, values: Values = EVERYTHING) -> list[dict[str, Any]]:
    return [each for each in manifests(values) if each["kind"] == kind]


def rules(values: Values = EVERYTHING) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for each in [*manifests(values), *tag_objects("prod", "canary", values)]:
        for rule in each.get("rules", ()):
            yield each, rule


def allowed(kind: str, values: Values = EVERYTHING) -> set[tuple[str, str, str, str]]:
    """(verb, group, resource, name) of all roles of that kind of the control plane itself; name is empty for all."""
    return {
        (verb, group, resource, name)
        for owner, rule in rules(values)
        if owner["kind"] == kind and owner["metadata"]["name"] in (values.name, values.cluster_name)
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ("",))
    }


def test_no_rule_has_a_wildcard() -> None:
    for owner, rule in rules():
        for words in rule.values():
            assert not [word for word in words if "*" in word], owner["metadata"]["name"]


def test_what_is_read_in_all_namespaces_is_what_shapes_the_mesh_and_gets_a_status() -> None:
    read = {(group, resource) for verb, group, resource, name in allowed("ClusterRole") if verb == "watch" and not name}
    shapes = {(kind.group, kind.plural) for kind in api_kinds()}
    reported = {(kind.group, kind.plural) for kind in POLICY_KINDS.values()}
    assert read == shapes | reported
    assert {"pods", "secrets", "nodes", "endpointslices", "virtualservices"} <= {plural for _, plural in read}


def test_what_is_written_in_all_namespaces() -> None:
    written = {each for each in allowed("ClusterRole") if each[0] not in ("get", "list", "watch")}
    status = {each for each in written if each[2].endswith("/status")}
    assert {each[0] for each in status} == {"patch"}
    groups = {each[1] for each in status}
    assert {each for each in groups if not each.endswith((".istio.io", ".plait.dev"))} == {"gateway.networking.k8s.io"}
    assert written - status == {
        ("create", "authentication.k8s.io", "tokenreviews", ""),
        *((verb, "networking.istio.io", "workloadentries", "") for verb in ("create", "patch", "delete")),
        ("create", "", "events", ""),
        ("patch", "", "events", ""),
        ("create", "", "configmaps", ""),
        ("create", "gateway.networking.k8s.io", "gatewayclasses", ""),
        *((verb, "", made, "") for made in ("serviceaccounts", "services") for verb in ("create", "patch")),
        *((verb, "apps", "deployments", "") for verb in ("create", "patch")),
        ("patch", "", "configmaps", "istio-ca-root-cert"),
        ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations", "istio-sidecar-injector"),
        ("patch", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "plait-validator-istio-system"),
    }


def test_what_is_written_in_its_own_namespace() -> None:
    assert {each for each in allowed("Role", CANARY) if each[0] not in ("get", "list", "watch")} == {
        ("create", "", "secrets", ""),
        ("update", "", "secrets", "plait-ca"),
        ("create", "", "configmaps", ""),
        ("patch", "", "configmaps", ""),
        ("create", "coordination.k8s.io", "leases", ""),
        ("update", "coordination.k8s.io", "leases", "plait-leader-canary"),
    }


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes something with those labels, as the API server decides it."""
    verdicts = {
        "In": lambda key, values: labels.get(key) in values,
        "NotIn": lambda key, values: labels.get(key) not in values,
        "DoesNotExist": lambda key, values: key not in labels,
    }
    return all(verdicts[each["operator"]](each["key"], each.get("values")) for each in selector["matchExpressions"])


def asked(configuration: Mapping[str, Any], namespace: Mapping[str, str], pod: Mapping[str, str]) -> list[str]:
    """The webhooks that a pod is sent to."""
    return [
        hook["name"]
        for hook in configuration["webhooks"]
        if matches(hook["namespaceSelector"], namespace) and matches(hook["objectSelector"], pod)
    ]


_LABELS = [
    {},
    *({"istio-injection": word} for word in ("enabled", "disabled")),
    *({"istio.io/rev": word} for word in ("default", "canary", "prod")),
    {"istio-injection": "enabled", "istio.io/rev": "canary"},
]
_PODS = [
    {**inject, **rev}
    for inject in ({}, *({"sidecar.istio.io/inject": word} for word in ("true", "false")))
    for rev in ({}, {"istio.io/rev": "canary"}, {"istio.io/rev": "default"})
]


def who(namespace: Mapping[str, str], pod: Mapping[str, str]) -> str:
    """Which revision or tag a pod is meant for, as Istio decides it; empty: none."""
    inject = pod.get("sidecar.istio.io/inject")
    if inject == "false" or namespace.get("istio-injection") == "disabled":
        return ""
    if "istio-injection" in namespace:
        return "default"
    if "istio.io/rev" in namespace:
        return namespace["istio.io/rev"]
    return pod.get("istio.io/rev", "default" if inject == "true" else "")


@pytest.mark.parametrize(("namespace", "pod"), list(itertools.product(_LABELS, _PODS)))
def test_a_pod_is_sent_to_one_webhook_of_one_revision(namespace: dict[str, str], pod: dict[str, str]) -> None:
    (default,), (canary,) = (of_kind("MutatingWebhookConfiguration", each) for each in (EVERYTHING, CANARY))
    *_, prod = tag_objects("prod", "canary", EVERYTHING)
    called = {**namespace, "kubernetes.io/metadata.name": "shop"}
    found = {
        word: asked(each, called, pod) for word, each in (("default", default), ("canary", canary), ("prod", prod))
    }
    wanted = who(namespace, pod)
    assert {word for word, hooks in found.items() if hooks} == ({wanted} if wanted else set())
    assert max(map(len, found.values())) <= 1


@pytest.mark.parametrize("name", START_FIRST)
def test_what_has_to_start_first_asks_no_webhook(name: str) -> None:
    (default,) = of_kind("MutatingWebhookConfiguration")
    for namespace, pod in itertools.product(_LABELS, _PODS):
        assert not asked(default, {**namespace, "kubernetes.io/metadata.name": name}, pod)


def test_the_control_planes_own_pods_ask_no_webhook() -> None:
    (deployment,) = of_kind("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (default,) = of_kind("MutatingWebhookConfiguration")
    for namespace in _LABELS:
        assert not asked(default, {**namespace, "kubernetes.io/metadata.name": "moved"}, labels)
        opted_in = {**labels, "sidecar.istio.io/inject": "true"}
        assert not asked(default, {**namespace, "kubernetes.io/metadata.name": "moved"}, opted_in)


def test_objects_are_validated_by_one_revision() -> None:
    (default,), (canary,) = (of_kind("ValidatingWebhookConfiguration", each) for each in (EVERYTHING, CANARY))
    for labels, wanted in (
        ({}, "default"),
        ({"istio.io/rev": "default"}, "default"),
        ({"istio.io/rev": "canary"}, "canary"),
    ):
        found = {
            word: [hook["name"] for hook in each["webhooks"][1:] if matches(hook["objectSelector"], labels)]
            for word, each in (("default", default), ("canary", canary))
        }
        assert {word: len(hooks) for word, hooks in found.items() if hooks} == {wanted: 1}


def keys(values: Values) -> set[tuple[str, str, str]]:
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in manifests(values)
    }


def test_two_revisions_share_the_namespace_and_the_node_agent() -> None:
    shared = keys(EVERYTHING) & keys(CANARY)
    assert {name for _, _, name in shared} == {"istio-system", "plait-cni"}
    without = replace(EVERYTHING, cni=False)
    assert keys(without) & keys(replace(without, revision="canary")) == {("Namespace", "", "istio-system")}


def test_two_installations_share_nothing() -> None:
    first = replace(EVERYTHING, cni=False)
    assert not keys(first) & keys(replace(first, namespace="mesh"))


def test_selectors_of_two_revisions_are_apart() -> None:
    (first,), (second,) = (of_kind("Deployment", each) for each in (EVERYTHING, CANARY))
    assert first["spec"]["selector"] != second["spec"]["selector"]
    for values in (EVERYTHING, CANARY):
        (deployment,), (service,) = of_kind("Deployment", values), of_kind("Service", values)
        pods = deployment["spec"]["template"]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= pods.items()
        assert deployment["spec"]["selector"]["matchLabels"].items() <= pods.items()


def test_every_object_is_found_again_by_its_labels() -> None:
    for each in manifests(EVERYTHING):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "plait"
        assert labels["app.kubernetes.io/instance"] == "istio-system"
        assert labels.get("istio.io/rev") == (None if each["kind"] == "Namespace" else "default")
        assert each["kind"] == "Namespace" or (each["apiVersion"], each["kind"]) in KINDS


def test_ports_of_service_probes_and_arguments_meet() -> None:
    (deployment,), (service,) = of_kind("Deployment"), of_kind("Service")
    container, _ = deployment["spec"]["template"]["spec"]["containers"]
    open_ports = {port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == open_ports
    assert {int(word.rpartition(":")[2]) for word in container["args"] if word.startswith("0.0.0.0:")} == open_ports
    named = {port["name"] for port in container["ports"]}
    assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= named


def test_the_control_planes_pod_has_no_privileges() -> None:
    (deployment,) = of_kind("Deployment")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} == {"emptyDir", "secret", "projected"}


def test_an_autoscaler_decides_how_many_pods_there_are() -> None:
    (fixed,), (scaled,) = of_kind("Deployment", Values(replicas=3)), of_kind("Deployment", Values(autoscale_max=3))
    assert fixed["spec"]["replicas"] == 3
    assert "replicas" not in scaled["spec"]
    assert not of_kind("HorizontalPodAutoscaler", Values())
    assert not of_kind("NetworkPolicy", Values())
    assert not of_kind("DaemonSet", Values())


def test_variables_are_settings_of_the_control_plane() -> None:
    from xds.settings import Settings

    (deployment,) = of_kind("Deployment", replace(EVERYTHING, extra_env={"PLAIT_DEBOUNCE_S": "0.05"}))
    container, _ = deployment["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each.get("value", "from-the-api") for each in container["env"]}
    found = Settings.resolve(environment, {"in_cluster": True})
    assert (found.revision, found.cluster_id, found.cni) == ("default", "Kubernetes", True)
    assert (found.namespace, found.pod_name) == ("from-the-api", "from-the-api")
    assert (found.proxy_image, found.init_image) == (EVERYTHING.proxy_image, EVERYTHING.injected_init_image)
    assert found.debounce.total_seconds() == 0.05


def test_who_gets_a_status_may_get_one() -> None:
    wanted = {(kind.group, f"{kind.plural}/status") for kind in (*POLICY_KINDS.values(), *STATUS_KINDS)}
    assert wanted == {(group, resource) for _, group, resource, _ in allowed("ClusterRole") if "/status" in resource}


def test_names_are_those_that_the_control_plane_goes_by() -> None:
    from xds.model.revision import service_host

    for values in (EVERYTHING, CANARY):
        assert service_host(values.namespace, values.revision).startswith(f"{values.service}.{values.namespace}.svc")
    assert (CANARY.name, CANARY.lease, CANARY.mesh_config_map) == (
        "plait-canary",
        "plait-leader-canary",
        "istio-canary",
    )


def pod_spec(values: Values) -> dict[str, Any]:
    (found,) = of_kind("Deployment", values)
    spec: dict[str, Any] = found["spec"]["template"]["spec"]
    return spec


def test_the_prover_has_nothing_of_the_control_planes() -> None:
    spec = pod_spec(Values())
    discovery, prover = spec["containers"]
    assert [(each["mountPath"], each.get("readOnly")) for each in prover["volumeMounts"]] == [("/prover", True)]
    assert not spec["automountServiceAccountToken"]
    assert prover["securityContext"]["runAsUser"] not in (0, spec["securityContext"]["runAsUser"])
    assert "env" not in prover
    assert prover["image"] == Values().proxy_image
    assert "unix:/prover/xds" in discovery["args"]


def test_without_a_prover() -> None:
    spec = pod_spec(Values(prover=False))
    (discovery,) = spec["containers"]
    assert discovery["args"][discovery["args"].index("--prover") + 1] == "off"
    assert "prover" not in {each["name"] for each in (*spec["volumes"], *discovery["volumeMounts"])}
