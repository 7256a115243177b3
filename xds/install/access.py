"""What the control plane may do in the cluster: read what shapes the mesh, write what it answers for, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from xds.decoders.shape.api_objects import api_kinds
from xds.install import injector, validator
from xds.install.objects import Json, in_namespace, of_cluster
from xds.install.values import Values
from xds.kinds.config_map import ConfigMap
from xds.kinds.workload_entry import WorkloadEntry
from xds.model.gateway import API_GROUP
from xds.model.well_known import CA_SECRET, ROOTS_CONFIG_MAP

_RBAC: Final = "rbac.authorization.k8s.io/v1"
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_READ: Final = ("get", "list", "watch")


def read() -> tuple[tuple[str, str], ...]:
    """Group and plural of what is read in all namespaces: what the mesh is made of."""
    found = ((kind.group, kind.plural) for kind in api_kinds() if kind.name != ConfigMap.KIND.name)
    return tuple(sorted(found))


def authored() -> tuple[tuple[str, str], ...]:
    """Those of them that users write policy in: they get a status."""
    return tuple((group, plural) for group, plural in read() if group.endswith((".istio.io", ".plait.dev")))


def service_account(values: Values) -> Json:
    """The account that the control plane's pods run as."""
    body = {"imagePullSecrets": list(values.image_pull_secrets)}
    return in_namespace("v1", "ServiceAccount", values.name, values, body)


def cluster_role(values: Values) -> Json:
    """What it may do in all namespaces."""
    rules = [
        *(_rule(group, plurals, _READ) for group, plurals in _by_group(read())),
        *(_rule(group, [f"{each}/status" for each in plurals], ["patch"]) for group, plurals in _by_group(authored())),
        # BackendTLSPolicies and Gateways name authorities in them; what is no `ca.crt` is dropped as it comes.
        _rule("", ["configmaps"], _READ),
        *gateway_api(values),
        # Of the machines that join: each entry is made, renewed and removed by who the machine is connected to.
        _rule(WorkloadEntry.KIND.group, [WorkloadEntry.KIND.plural], ["create", "patch", "delete"]),
        _rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
        _rule("", ["events"], ["get", "create", "patch"]),
        # RBAC cannot bound `create` by name; what is changed is the one with the mesh's roots.
        _rule("", ["configmaps"], ["create"]),
        _rule("", ["configmaps"], ["patch"], [ROOTS_CONFIG_MAP]),
        _rule(injector.GROUP, [injector.PLURAL, validator.PLURAL], ["get", "list"]),
        _rule(injector.GROUP, [injector.PLURAL], ["patch"], [injector.name(values)]),
        _rule(injector.GROUP, [validator.PLURAL], ["patch"], [validator.name(values)]),
    ]
    return of_cluster(_RBAC, "ClusterRole", values.cluster_name, values, {"rules": rules})


def gateway_api(values: Values) -> Iterator[Json]:
    """What Gateways need: their status, a class of them, and what is made for each in its own namespace.

    Nothing is deleted (it goes by owner references), and what others have set in such an object is not overwritten.
    RBAC cannot bound `create` to what belongs to a Gateway: who holds this account can run pods anywhere.
    """
    ours = [plural for group, plural in read() if group == API_GROUP and plural != "referencegrants"]
    yield _rule(API_GROUP, [f"{each}/status" for each in ours], ["patch"])
    yield _rule(API_GROUP, ["gatewayclasses"], ["create"])
    if values.gateway_deployments:
        yield _rule("", ["serviceaccounts", "services"], ["get", "create", "patch"])
        yield _rule("apps", ["deployments"], ["get", "create", "patch"])


def cluster_role_binding(values: Values) -> Json:
    """That its account may do that."""
    return of_cluster(_RBAC, "ClusterRoleBinding", values.cluster_name, values, bound(values, values.cluster_name))


def role(values: Values) -> Json:
    """What it may do in its own namespace: the mesh's settings, the CA's keys, its Lease, reports and rollouts.

    Reports, and what pods say of rollouts, are named after pods: RBAC cannot bound them by name, nor what is created.
    """
    rules = [
        _rule("", ["configmaps"], [*_READ, "create", "patch"]),
        _rule("", ["secrets"], ["create"]),
        _rule("", ["secrets"], ["update"], [CA_SECRET]),
        _rule("coordination.k8s.io", ["leases"], ["create"]),
        _rule("coordination.k8s.io", ["leases"], ["get", "update"], [values.lease]),
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


def _by_group(kinds: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for group, plural in kinds:
        found.setdefault(group, []).append(plural)
    return list(found.items())


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str], names: Iterable[str] = ()) -> Json:
    rule: Json = {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = list(names)
    return rule
