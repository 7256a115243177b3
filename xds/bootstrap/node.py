"""Who a proxy says it is: the ``node`` of its bootstrap. Pure.

Node ids and metadata are istio's (istio-semantics 2.12), so that either's tools read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xds.bootstrap.credentials import Json
from xds.model.endpoint import NOWHERE, Locality
from xds.model.proxy import AUTO_REGISTER_GROUP
from xds.model.standard_metrics import METRICS_LABELS, node_labels
from xds.model.told_metrics import NODE_ID, VERSION, WORKLOAD


@dataclass(frozen=True, slots=True)
class ProxyNode:
    """Who a proxy says it is.

    ``kind`` is ``sidecar`` or ``router`` (a gateway); ``addresses`` has the pod's, IPv4 first.
    """

    kind: str
    namespace: str
    name: str
    addresses: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str = "default"
    cluster_id: str = "Kubernetes"
    domain: str = "cluster.local"
    workload: str = ""
    interception_mode: str = "REDIRECT"
    locality: Locality = NOWHERE
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stated_id: str = ""

    @property
    def id(self) -> str:
        """The node id, as stated or as Istio makes it: ``sidecar~10.1.2.3~web-0.shop~shop.svc.cluster.local``."""
        if self.stated_id:
            return self.stated_id
        address = self.addresses[0] if self.addresses else "127.0.0.1"
        return f"{self.kind}~{address}~{self.name}.{self.namespace}~{self.namespace}.svc.{self.domain}"

    def as_dict(self) -> Json:
        """The ``node`` block of a bootstrap."""
        app = self.labels.get("service.istio.io/canonical-name") or self.labels.get("app.kubernetes.io/name")
        known: Json = {
            "NAME": self.name,
            "NAMESPACE": self.namespace,
            "LABELS": dict(sorted(self.labels.items())),
            "ANNOTATIONS": dict(sorted(self.annotations.items())),
            "SERVICE_ACCOUNT": self.service_account,
            "CLUSTER_ID": self.cluster_id,
            "INSTANCE_IPS": ",".join(self.addresses),
            "INTERCEPTION_MODE": self.interception_mode,
            "WORKLOAD_NAME": self.workload or self.name,
            METRICS_LABELS: node_labels(self.labels, self.workload or self.name, self.namespace, self.cluster_id),
        }
        where = {"region": self.locality.region, "zone": self.locality.zone, "sub_zone": self.locality.subzone}
        node: Json = {
            "id": self.id,
            "cluster": f"{app or self.labels.get('app') or self.workload or self.name}.{self.namespace}",
            "metadata": {**known, **self.metadata},
        }
        if any(where.values()):
            node["locality"] = {key: value for key, value in where.items() if value}
        return node

    def reporting(self) -> dict[str, str]:
        """Who has counted what it sends: of its node what the control plane has to know for that, and its workload."""
        known = self.as_dict()["metadata"]
        labels = known[METRICS_LABELS]
        said = {key: known.get(key, "") for key in ("SERVICE_ACCOUNT", "INSTANCE_IPS", AUTO_REGISTER_GROUP)}
        own = {NODE_ID: self.id, WORKLOAD: labels["workload"], VERSION: labels["version"]}
        return {key: value for key, value in (own | said).items() if value}
