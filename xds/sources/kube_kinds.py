"""Where in the API each kind is read, and which of its objects."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from xds.decoders.shape.api_objects import ApiKind, api_kinds, kubeconfig_kind
from xds.model.api_path import collection
from xds.model.revision import of_revision
from xds.model.well_known import CA_SECRET, MESH_CONFIG_MAP, MULTI_CLUSTER, PLUGGED_IN_SECRET, ROOTS_CONFIG_MAP

_SELECTED: Final = MappingProxyType(
    {
        # A pod that is over takes no traffic; finished Jobs leave thousands of them.
        ("", "Pod"): "status.phase!=Succeeded,status.phase!=Failed",
        # The large and the secret that are no credentials: they never leave the API server.
        ("", "Secret"): ",".join(
            (
                "type!=helm.sh/release.v1",
                "type!=kubernetes.io/service-account-token",
                f"metadata.name!={CA_SECRET}",
                f"metadata.name!={PLUGGED_IN_SECRET}",
            )
        ),
    }
)
_OF_REMOTES: Final = frozenset(
    {("", "Namespace"), ("", "Node"), ("", "Pod"), ("", "Service"), ("discovery.k8s.io", "EndpointSlice")}
)


@dataclass(frozen=True, slots=True)
class WatchedKind:
    """A kind, and which of its objects are read: of one namespace or of all, by selectors.

    ``cluster`` is the remote cluster that has them, ``""`` for the own one.
    """

    kind: ApiKind
    namespace: str = ""
    field_selector: str = ""
    label_selector: str = ""
    cluster: str = ""

    def path(self, version: str) -> str:
        """The path of its list in the API."""
        return collection(self.kind.group, version, self.kind.plural, self.namespace)

    @property
    def parameters(self) -> dict[str, str]:
        """The query that selects its objects."""
        stated = {"fieldSelector": self.field_selector, "labelSelector": self.label_selector}
        return {name: selector for name, selector in stated.items() if selector}

    @property
    def rule(self) -> str:
        """The RBAC rule that reading it needs, in words."""
        where = f"a Role in namespace {self.namespace}" if self.namespace else "the ClusterRole"
        return f'{where} needs apiGroups ["{self.kind.group}"], resources ["{self.kind.plural}"], verbs [list, watch]'


def watched_kinds(root_namespace: str, revision: str) -> tuple[WatchedKind, ...]:
    """All that is read of a cluster: every kind that shapes the mesh, and one ConfigMap with the mesh's settings.

    ConfigMaps with authorities are read in all namespaces but the control plane's.
    """
    return tuple(_watched(kind, root_namespace, revision) for kind in api_kinds())


def remote_kinds(cluster: str) -> tuple[WatchedKind, ...]:
    """All that is read of a remote cluster: where its workloads are; what is configured is the own cluster's."""
    kinds = (kind for kind in api_kinds() if (kind.group, kind.name) in _OF_REMOTES)
    return tuple(WatchedKind(each, "", _SELECTED.get((each.group, each.name), ""), cluster=cluster) for each in kinds)


def kubeconfigs(root_namespace: str) -> WatchedKind:
    """The Secrets that tell of remote clusters, as istioctl create-remote-secret makes them."""
    return WatchedKind(kubeconfig_kind(), root_namespace, label_selector=f"{MULTI_CLUSTER}=true")


def _watched(kind: ApiKind, root_namespace: str, revision: str) -> WatchedKind:
    if kind.authorities:
        # Every namespace has the first two; the control plane's own has reports that change all the time.
        others = ("metadata.name!=kube-root-ca.crt", f"metadata.name!={ROOTS_CONFIG_MAP}")
        return WatchedKind(kind, field_selector=",".join((*others, f"metadata.namespace!={root_namespace}")))
    if kind.name == "ConfigMap":
        return WatchedKind(kind, root_namespace, f"metadata.name={of_revision(MESH_CONFIG_MAP, revision)}")
    return WatchedKind(kind, field_selector=_SELECTED.get((kind.group, kind.name), ""))
