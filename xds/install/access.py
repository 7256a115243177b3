"""What the control plane may do in the cluster: read what shapes the mesh, write what it answers for, nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.install import injector, validator
from xds.install.objects import Json, in_namespace, of_cluster
from xds.install.values import Values
from xds.kinds.authored import Authored, Kind
from xds.kinds.config_map import ConfigMap
from xds.kinds.deployment import Deployment
from xds.kinds.job import Job
from xds.kinds.mesh_config import MeshConfig
from xds.kinds.registry import KINDS
from xds.kinds.service_account import ServiceAccount
from xds.kinds.stateful_set import StatefulSet

_RBAC: Final = "rbac.authorization.k8s.io/v1"
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_READ: Final = ("get", "list", "watch")

CA_SECRET: Final = "plait-ca"
PLUGGED_IN_SECRET: Final = "cacerts"
ROOT_CONFIG_MAP: Final = "istio-ca-root-cert"

# What only the local mesh runs by (workloads), and what a cluster keeps in a ConfigMap of the root namespace.
NOT_WATCHED: Final = frozenset[type[Authored]]({ConfigMap, Deployment, Job, MeshConfig, ServiceAccount, StatefulSet})


def watched() -> tuple[Kind, ...]:
    """The kinds that the control plane watches in all namespaces, by group and plural."""
    found = (struct.KIND for struct in KINDS if struct not in NOT_WATCHED)
    return tuple(sorted(found, key=lambda kind: (kind.group, kind.plural)))


def authored() -> tuple[Kind, ...]:
    """Those of them that users write policy in: they get a status."""
    return tuple(kind for kind in watched() if kind.group.endswith(".istio.io"))


def service_account(values: Values) -> Json:
    """The account that the control plane's pods run as."""
    body = {"imagePullSecrets": list(values.image_pull_secrets)}
    return in_namespace("v1", "ServiceAccount", values.name, values, body)


def cluster_role(values: Values) -> Json:
    """What it may do in all namespaces."""
    rules = [
        *(_rule(group, plurals, _READ) for group, plurals in _by_group(watched())),
        *(_rule(group, [f"{each}/status" for each in plurals], ["patch"]) for group, plurals in _by_group(authored())),
        _rule("apiextensions.k8s.io", ["customresourcedefinitions"], _READ),
        _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        _rule("", ["events"], ["create", "patch"]),
        # RBAC cannot bound `create` by name; all else about ConfigMaps is bounded to the one with the mesh's roots.
        _rule("", ["configmaps"], ["create"]),
        _rule("", ["configmaps"], [*_READ, "update", "patch"], [ROOT_CONFIG_MAP]),
        _rule(injector.GROUP, [injector.PLURAL, validator.PLURAL], _READ),
        _rule(injector.GROUP, [injector.PLURAL], ["patch"], [injector.name(values)]),
        _rule(injector.GROUP, [validator.PLURAL], ["patch"], [validator.name(values)]),
    ]
    return of_cluster(_RBAC, "ClusterRole", values.cluster_name, values, {"rules": rules})


def cluster_role_binding(values: Values) -> Json:
    """That its account may do that."""
    return of_cluster(_RBAC, "ClusterRoleBinding", values.cluster_name, values, bound(values, values.cluster_name))


def role(values: Values) -> Json:
    """What it may do in its own namespace."""
    rules = [
        _rule("", ["configmaps"], _READ),
        _rule("", ["secrets"], ["create"]),
        _rule("", ["secrets"], ["update", "patch"], [CA_SECRET]),
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        _rule("coordination.k8s.io", ["leases"], ["get", "update", "patch"], [values.lease]),
    ]
    return in_namespace(_RBAC, "Role", values.name, values, {"rules": rules})


def role_binding(values: Values) -> Json:
    """That its account may do that."""
    body = {**bound(values, values.name), "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": values.name}}
    return in_namespace(_RBAC, "RoleBinding", values.name, values, body)


def bound(values: Values, cluster_role_name: str) -> Json:
    """What a binding of that ClusterRole to the control plane's account says."""
    account = {"kind": "ServiceAccount", "name": values.name, "namespace": values.namespace}
    return {
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "ClusterRole", "name": cluster_role_name},
        "subjects": [account],
    }


def _by_group(kinds: Iterable[Kind]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for kind in kinds:
        found.setdefault(kind.group, []).append(kind.plural)
    return list(found.items())


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str], names: Iterable[str] = ()) -> Json:
    rule: Json = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = list(names)
    return rule
