"""The control plane itself: its namespace, mesh configuration, pods and Service."""

from __future__ import annotations

from typing import Any, Final

import yaml

from xds.install import prover
from xds.install.objects import Json, in_namespace, labels, of_cluster, pod_labels
from xds.install.values import Values
from xds.model.injection import INJECT, REVISION
from xds.model.network import NETWORK
from xds.model.well_known import PLUGGED_IN_SECRET, XDS_PORT

WEBHOOK_PORT: Final = 15017
HEALTH_PORT: Final = 8080
MONITORING_PORT: Final = 15014
_USER: Final = 65532
_CACERTS: Final = "/etc/cacerts"
# As Kubernetes itself would mount it, into all containers.
_ACCOUNT: Final[list[Json]] = [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
]


def namespace(values: Values) -> Json:
    """The namespace, whose pods may have no privileges."""
    made = of_cluster("v1", "Namespace", values.namespace, values, {})
    for mode in ("enforce", "audit", "warn"):
        made["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] = "restricted"
    if values.network:
        made["metadata"]["labels"][NETWORK] = values.network
    # It outlives a revision, and belongs to none.
    del made["metadata"]["labels"][REVISION]
    return made


def mesh_config(values: Values) -> Json:
    """The ConfigMap with the mesh-wide settings, as users of Istio know it."""
    mesh = {**values.mesh_config, "rootNamespace": values.namespace}
    body = {"data": {"mesh": yaml.safe_dump(mesh, sort_keys=True, allow_unicode=True)}}
    return in_namespace("v1", "ConfigMap", values.mesh_config_map, values, body)


def deployment(values: Values) -> Json:
    """The pods. Where they scale by themselves, how many they are is not said here."""
    pods = {
        "metadata": {
            "labels": {**labels(values), **pod_labels(values), INJECT: "false"},
            "annotations": {"kubectl.kubernetes.io/default-container": "discovery", **_scrape(values)},
        },
        "spec": _pod(values),
    }
    spec: Json = {
        "replicas": values.replicas,
        "selector": {"matchLabels": pod_labels(values)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": pods,
    }
    if values.autoscale_max:
        del spec["replicas"]
    return in_namespace("apps/v1", "Deployment", values.name, values, {"spec": spec})


def service(values: Values) -> Json:
    """Where proxies, the API server and Prometheus find them."""
    ports = [
        {"name": "https-dns", "port": XDS_PORT, "targetPort": XDS_PORT, "protocol": "TCP"},
        {"name": "https-webhook", "port": 443, "targetPort": WEBHOOK_PORT, "protocol": "TCP"},
        {"name": "http-monitoring", "port": MONITORING_PORT, "targetPort": HEALTH_PORT, "protocol": "TCP"},
    ]
    made = in_namespace(
        "v1", "Service", values.service, values, {"spec": {"ports": ports, "selector": pod_labels(values)}}
    )
    made["metadata"]["labels"]["app"] = pod_labels(values)["app"]
    return made


def _scrape(values: Values) -> dict[str, str]:
    return {
        "prometheus.io/scrape": str(values.prometheus).lower(),
        "prometheus.io/port": str(HEALTH_PORT),
        "prometheus.io/path": "/metrics",
    }


def _pod(values: Values) -> Json:
    return {
        "serviceAccountName": values.name,
        "automountServiceAccountToken": False,  # it is the control plane's container alone that has the token
        "terminationGracePeriodSeconds": 30,
        "priorityClassName": values.priority_class,
        "nodeSelector": dict(values.node_selector),
        "tolerations": list(values.tolerations),
        "topologySpreadConstraints": [
            _spread("kubernetes.io/hostname", values.spread, values),
            _spread("topology.kubernetes.io/zone", "ScheduleAnyway", values),
        ],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(values), *([prover.container(values)] if values.prover else [])],
        "volumes": [
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            # Who has a CA of their own puts it there, as for Istio. The key is read by the group.
            {"name": "cacerts", "secret": {"secretName": PLUGGED_IN_SECRET, "optional": True, "defaultMode": 0o440}},
            {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
            {"name": "token", "projected": {"sources": _ACCOUNT}},
            *([prover.volume()] if values.prover else []),
        ],
    }


def _container(values: Values) -> Json:
    addresses = (("--xds", XDS_PORT), ("--webhook", WEBHOOK_PORT), ("--health", HEALTH_PORT))
    flags = [part for flag, port in addresses for part in (flag, f"0.0.0.0:{port}")]
    ports = (("https-xds", XDS_PORT), ("https-webhook", WEBHOOK_PORT), ("http-health", HEALTH_PORT))
    return {
        "name": "discovery",
        "image": values.image,
        "imagePullPolicy": values.image_pull_policy,
        "args": ["serve", "--in-cluster", *flags, *prover.flags(values), "--log-level", values.log_level],
        "env": [*_environment(values), *({"name": key, "value": text} for key, text in values.extra_env.items())],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports],
        "readinessProbe": _probe("/ready", period_s=3, failures=3),
        # Long, as work on a large mesh may hold up the answer, and a restart would only add to it.
        "livenessProbe": _probe("/live", period_s=10, failures=6),
        "resources": dict(values.resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "state", "mountPath": "/var/lib/plait"},
            {"name": "cacerts", "mountPath": _CACERTS, "readOnly": True},
            {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True},
            *([prover.mount()] if values.prover else []),
        ],
    }


def _environment(values: Values) -> list[Json]:
    said = {
        "PLAIT_REVISION": values.revision,
        "PLAIT_CLUSTER_ID": values.cluster_id,
        "PLAIT_NETWORK": values.network,
        "PLAIT_PROXY_IMAGE": values.proxy_image,
        "PLAIT_INIT_IMAGE": values.injected_init_image,
        "PLAIT_NODE_AGENT_IMAGE": values.node_agent_image,
        "PLAIT_CNI": str(values.cni).lower(),
        "PLAIT_GATEWAY_CONTROLLERS": ":".join(values.gateway_controllers),
        "PLAIT_GATEWAY_DEPLOYMENTS": str(values.gateway_deployments).lower(),
        "PLAIT_PROMETHEUS": values.prometheus_url,
        "PLAIT_OTLP": values.otlp,
        "PLAIT_PLUGGED_IN_CA": _CACERTS,
        "XDG_STATE_HOME": "/var/lib/plait",
        "HOME": "/tmp",
    }
    asked = {"PLAIT_NAMESPACE": "metadata.namespace", "PLAIT_POD_NAME": "metadata.name", "POD_NAME": "metadata.name"}
    return [
        *({"name": name, "value": text} for name, text in said.items()),
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in asked.items()),
    ]


def _probe(path: str, *, period_s: int, failures: int) -> Json:
    asked = {"path": path, "port": "http-health"}
    return {"httpGet": asked, "periodSeconds": period_s, "failureThreshold": failures, "timeoutSeconds": 5}


def _spread(key: str, otherwise: str, values: Values) -> Json:
    selected: dict[str, Any] = {"matchLabels": pod_labels(values)}
    return {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": otherwise, "labelSelector": selected}
