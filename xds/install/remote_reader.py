"""What a cluster needs so that control planes of other clusters may read where its workloads are: no more than that."""

from __future__ import annotations

from typing import Any, Final

from xds.install.objects import Json
from xds.model.well_known import MULTI_CLUSTER, OURS

_RBAC: Final = "rbac.authorization.k8s.io/v1"
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_READ: Final = ["get", "list", "watch"]
_CLUSTER: Final = "networking.istio.io/cluster"


def reader(namespace: str, account: str) -> tuple[Json, ...]:
    """The account, and its rights: what is watched of a remote cluster, and to have its workloads' tokens reviewed."""
    role = f"{account}-{namespace}"
    rules = [
        {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods", "services"], "verbs": _READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    ]
    return (
        _object("v1", "ServiceAccount", account, namespace, {}),
        _object(_RBAC, "ClusterRole", role, "", {"rules": rules}),
        _object(
            _RBAC,
            "ClusterRoleBinding",
            role,
            "",
            {
                "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
            },
        ),
    )


def token_secret(namespace: str, account: str) -> Json:
    """The Secret into which Kubernetes puts a token of the account, which is good while the Secret is there."""
    made = _object("v1", "Secret", f"{account}-istio-remote-secret-token", namespace, {})
    made["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
    return {**made, "type": "kubernetes.io/service-account-token"}


def remote_secret(cluster: str, name: str, namespace: str, kubeconfig: str) -> Json:
    """The Secret by which control planes of other clusters read this one."""
    made = _object("v1", "Secret", name, namespace, {"stringData": {cluster: kubeconfig}})
    made["metadata"]["labels"][MULTI_CLUSTER] = "true"
    made["metadata"]["annotations"] = {_CLUSTER: cluster}
    return made


def kubeconfig(cluster: str, server: str, authorities: str, token: str) -> Json:
    """The kubeconfig of who has ``token``; ``authorities`` are as base64, empty for those that everybody knows."""
    reached = {"server": server} | ({"certificate-authority-data": authorities} if authorities else {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": reached}],
        "users": [{"name": cluster, "user": {"token": token}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "current-context": cluster,
    }


def _object(api_version: str, kind: str, name: str, namespace: str, body: dict[str, Any]) -> Json:
    metadata: Json = {"name": name} | ({"namespace": namespace} if namespace else {}) | {"labels": dict(OURS)}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
