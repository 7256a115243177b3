"""All objects of an installation, in the order in which they are applied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from xds.install import access, availability, control_plane, node_agent
from xds.install.injector import injector
from xds.install.network_policies import network_policy
from xds.install.objects import Json
from xds.install.validator import validator
from xds.install.values import Values

KINDS: Final = (
    ("v1", "ServiceAccount"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("v1", "ConfigMap"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apps/v1", "DaemonSet"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
)
"""The kinds that a revision is made of, in that order: apiVersion and kind."""


def manifests(values: Values) -> tuple[Json, ...]:
    """The objects that run the control plane, without CRDs: what others need comes first, webhooks last.

    Two revisions of one namespace share the Namespace, and the node agent where both have it; nothing else.
    """
    return tuple(_objects(values))


def _objects(values: Values) -> Iterator[Json]:
    yield control_plane.namespace(values)
    yield access.service_account(values)
    yield access.cluster_role(values)
    yield access.cluster_role_binding(values)
    yield access.role(values)
    yield access.role_binding(values)
    yield control_plane.mesh_config(values)
    if values.network_policies:
        yield network_policy(values)
    yield control_plane.service(values)
    yield control_plane.deployment(values)
    if values.disruption_budget:
        yield availability.disruption_budget(values)
    if values.autoscale_max:
        yield availability.autoscaler(values)
    if values.cni:
        yield from node_agent.objects(values)
    yield injector(values)
    yield validator(values)
