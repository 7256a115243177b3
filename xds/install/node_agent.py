"""The node agent: it sets pods' interception rules from the node, so that no pod needs NET_ADMIN.

It is in kube-system, one for all revisions: it needs privileges that the control plane's own namespace forbids, and
pods of that namespace never wait for a sidecar.
"""

from __future__ import annotations

from typing import Final

from xds.install.objects import Json, labels
from xds.install.values import Values

NAMESPACE: Final = "kube-system"
NAME: Final = "plait-cni"
_RBAC: Final = "rbac.authorization.k8s.io/v1"
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_SELECTOR: Final = {"k8s-app": NAME}
# It enters the pods' network namespaces (SYS_ADMIN, SYS_PTRACE) and writes rules there (NET_ADMIN, NET_RAW).
_CAPABILITIES: Final = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE")
# Where the node keeps its network plugins, their configuration, and the network namespaces of pods.
_FOLDERS: Final = {"cni-bin": "/opt/cni/bin", "cni-net": "/etc/cni/net.d", "netns": "/var/run/netns"}


def objects(values: Values) -> tuple[Json, ...]:
    """Its account, what that may do, and the DaemonSet."""
    return service_account(values), cluster_role(values), cluster_role_binding(values), daemon_set(values)


def service_account(values: Values) -> Json:
    """The account that it runs as."""
    body = {"imagePullSecrets": list(values.image_pull_secrets)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(values), **body}


def cluster_role(values: Values) -> Json:
    """It reads the pods of its node; which node that is cannot be said in a rule."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
    metadata = {"name": NAME, "labels": labels(values)}
    return {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def cluster_role_binding(values: Values) -> Json:
    """That its account may do that."""
    return {
        "apiVersion": _RBAC,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME, "labels": labels(values)},
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "ClusterRole", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }


def daemon_set(values: Values) -> Json:
    """One pod a node, also where nothing else may run yet."""
    pods = {"metadata": {"labels": {**labels(values), **_SELECTOR}}, "spec": _pod(values)}
    spec = {
        "selector": {"matchLabels": dict(_SELECTOR)},
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "template": pods,
    }
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": _metadata(values), "spec": spec}


def _metadata(values: Values) -> Json:
    return {"name": NAME, "namespace": NAMESPACE, "labels": labels(values)}


def _pod(values: Values) -> Json:
    return {
        "serviceAccountName": NAME,
        "hostPID": True,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(values)],
        "volumes": [
            {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}} for name, path in _FOLDERS.items()
        ],
    }


def _container(values: Values) -> Json:
    mounts = [{"name": name, "mountPath": path} for name, path in _FOLDERS.items()]
    mounts[-1]["mountPropagation"] = "HostToContainer"
    return {
        "name": "node-agent",
        "image": values.image,
        "imagePullPolicy": values.image_pull_policy,
        "args": ["node-agent"],
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": list(_CAPABILITIES)},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }
