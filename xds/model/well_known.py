"""Names, labels and ports by which the parts of a mesh in a cluster find each other: the same in every cluster."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CA_SECRET: Final = "plait-ca"
"""The Secret in which the control plane keeps its CA."""

PLUGGED_IN_SECRET: Final = "cacerts"
"""The Secret in which an operator's own CA is, as for Istio."""

ROOTS_CONFIG_MAP: Final = "istio-ca-root-cert"
"""The ConfigMap of every namespace that holds the mesh's roots, under ``ROOTS_KEY``; pods mount it."""

ROOTS_KEY: Final = "root-cert.pem"

MESH_CONFIG_MAP: Final = "istio"
"""The ConfigMap of the mesh's settings, for a revision (``of_revision``)."""

LEASE: Final = "plait-leader"
"""The Lease of the control planes of a revision (``of_revision``)."""

ROLLOUTS: Final = "plait-rollouts"
"""The ConfigMap by which the control planes of a revision (``of_revision``) agree on rollouts."""

CONTROL_PLANE: Final = "plait"
"""The control plane's Deployment and account, for a revision (``of_revision``)."""

XDS_PORT: Final = 15012
"""Where the Service of a control plane takes proxies, over TLS."""

PART_OF: Final = "app.kubernetes.io/part-of"
PRODUCT: Final = "plait"
OURS: Final[Mapping[str, str]] = MappingProxyType({PART_OF: PRODUCT})
"""The label of all that is Plait's, by which it is found again."""

MULTI_CLUSTER: Final = "istio/multiCluster"
"""The label of Secrets in the root namespace that hold kubeconfigs of remote clusters by their id, as for Istio."""

REMOTE_READER: Final = "istio-reader-service-account"
"""The account as which control planes of other clusters read a cluster, as for Istio."""

TEMPLATE_HASH: Final = "pod-template-hash"
"""The label of a Deployment's pods that tells its ReplicaSets apart; the end of their names."""
