"""The commands of istioctl that have another name here, and what to say to who types them (docs/istioctl.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_AMBIENT: Final = "there is no ambient mode here, hence no {}"

ELSEWHERE: Final[Mapping[str, str]] = {
    "admin": "the level of the control plane's log is set where it starts: `plait serve --log-level`",
    "istiod": "the level of the control plane's log is set where it starts: `plait serve --log-level`",
    "manifest": "`plait install print` for the manifests, `plait install --dry-run` for what they would change",
    "operator": "`plait install` and `plait uninstall`, or the chart in install/chart",
    "profile": "one set of values, install/chart/values.yaml, for `plait install -f VALUES`",
    "upgrade": "`plait install`, or `plait install --revision REV` and `plait tag set` to go over step by step",
    "verify-install": "`plait install --dry-run`, `plait version` and `plait proxy-status`",
    "waypoint": _AMBIENT.format("waypoints"),
    "ztunnel-config": _AMBIENT.format("ztunnels"),
    "zc": _AMBIENT.format("ztunnels"),
}
"""At the top."""

EXPERIMENTAL: Final[Mapping[str, str]] = {
    "add-to-mesh": "label the namespace, or `plait inject -f FILE`",
    "check-inject": "`plait describe pod` says whether a pod has a sidecar, `plait analyze` why one has none",
    "config": "options and variables are in the help of each command",
    "create-remote-secret": "`plait create-remote-secret`",
    "envoy-stats": "`plait top` for traffic; all of it is at the pod's port 15090, /stats/prometheus",
    "injector": "`plait tag list`",
    "internal-debug": "the pages of the control plane (docs/debugging.md), or `plait bug-report`",
    "metrics": "`plait top workloads`",
    "precheck": "`plait analyze`, and `plait install --dry-run`",
    "rootca-compare": "`plait proxy-config rootca-compare`",
    "workload": "`plait vm join`",
    "waypoint": _AMBIENT.format("waypoints"),
    "ztunnel-config": _AMBIENT.format("ztunnels"),
}
"""Below `experimental`, or `x`."""

DASHBOARDS: Final[Mapping[str, str]] = {
    "controlz": "`plait dashboard` has no pages of levels of logs: `plait serve --log-level`",
    "envoy": "`plait proxy-config all POD`, or `kubectl port-forward POD 15000`",
    "istiod-debug": "`plait dashboard`, or the pages in docs/debugging.md",
    "proxy": "`plait proxy-config all POD`, or `kubectl port-forward POD 15000`",
    **dict.fromkeys(
        ("grafana", "jaeger", "kiali", "prometheus", "skywalking", "zipkin"),
        "`plait dashboard` is Plait's own; others are reached by `kubectl port-forward`",
    ),
}
"""What `dashboard` is asked for."""


def here(name: str, instead: str) -> str:
    """The text of the error."""
    return f"`{name}` is a command of istioctl; here: {instead}"
