"""Who may reach the control plane's pods, and what they may reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.install.control_plane import HEALTH_PORT, WEBHOOK_PORT
from xds.install.objects import NAMESPACE_NAME, Json, in_namespace, pod_labels
from xds.install.values import Values
from xds.model.well_known import XDS_PORT

# Those of API servers, behind their Service, where clouds and small clusters have them; 443 is that of key sets too.
_OUTSIDE: Final = (443, 6443, 8443, 16443)


def network_policy(values: Values) -> Json:
    """The NetworkPolicy.

    xDS and webhooks are open to all: proxies are everywhere, and API servers call from addresses that no selector
    knows. Metrics are for the monitoring namespaces; kubelets reach the pods of their node anyway. Out go questions for
    names, and what is asked of the API server and of key sets' servers, whose addresses nobody knows beforehand either;
    and what monitoring is asked and told.
    """
    monitoring = {"key": NAMESPACE_NAME, "operator": "In", "values": list(values.monitoring_namespaces)}
    spec = {
        "podSelector": {"matchLabels": pod_labels(values)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"ports": _ports([XDS_PORT, WEBHOOK_PORT])},
            {"ports": _ports([HEALTH_PORT]), "from": [{"namespaceSelector": {"matchExpressions": [monitoring]}}]},
        ],
        "egress": [
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": _ports(_OUTSIDE)},
            {"to": [{"namespaceSelector": {"matchExpressions": [monitoring]}}]},
        ],
    }
    return in_namespace("networking.k8s.io/v1", "NetworkPolicy", values.name, values, {"spec": spec})


def _ports(numbers: Iterable[int]) -> list[Json]:
    return [{"port": number, "protocol": "TCP"} for number in numbers]
