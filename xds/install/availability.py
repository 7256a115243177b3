"""How many pods of the control plane there are, and how many may go at once."""

from __future__ import annotations

from xds.install.objects import Json, in_namespace, pod_labels
from xds.install.values import Values


def disruption_budget(values: Values) -> Json:
    """Nodes that are drained take one pod at a time; a single pod may go, so it holds up no drain."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": pod_labels(values)}}
    return in_namespace("policy/v1", "PodDisruptionBudget", values.name, values, {"spec": spec})


def autoscaler(values: Values) -> Json:
    """More pods where they are busy. Fewer only after five calm minutes: each that goes makes proxies reconnect."""
    busy = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": values.name},
        "minReplicas": values.autoscale_min,
        "maxReplicas": values.autoscale_max,
        "metrics": [busy],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}},
    }
    return in_namespace("autoscaling/v2", "HorizontalPodAutoscaler", values.name, values, {"spec": spec})
