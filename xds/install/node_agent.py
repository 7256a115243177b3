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
# It looks whose network namespace is whose (SYS_PTRACE), enters those of pods (SYS_ADMIN) and writes rules there.
_CAPABILITIES: Final = ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE")


def objects(values: Values) -> tuple[Json, ...]:
    """Its account, what that may do, and the DaemonSet."""
    return service_account(values), cluster_role(values), cluster_role_binding(values), daemon_set(values)


def service_account(values: Values) -> Json:
    """The account that it runs as."""
    body = {"imagePullSecrets": list(values.image_pull_secrets)}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(values), **body}


def cluster_role(values: Values) -> Json:
    """It reads the pods of its node; which node that is cannot be said in a rule."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]
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
        # It finds pods by their processes. The node's own network it neither needs nor gets.
        "hostPID": True,
        "priorityClassName": "system-node-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 5,
        "containers": [_container(values)],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}}],
    }


def _container(values: Values) -> Json:
    return {
        "name": "node-agent",
        "image": values.node_agent_image,
        "imagePullPolicy": values.image_pull_policy,
        "args": ["node-agent"],
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "XTABLES_LOCKFILE", "value": "/tmp/xtables.lock"},
        ],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": list(_CAPABILITIES)},
            "seccompProfile": {"type": "RuntimeDefault"},
            # The profile that runtimes load by default forbids a look at processes of others.
            "appArmorProfile": {"type": "Unconfined"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
