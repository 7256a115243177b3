"""Labels and annotations that say what a pod has become, for the mesh and for other tools."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xds.bootstrap.envoy import METRICS_PORT
from xds.model.injection import PROXY, REVISION, STATUS
from xds.model.labels import first_of
from xds.model.problem import Severity
from xds.webhooks.inject.plain import text
from xds.webhooks.inject.subject import Subject

_CANONICAL: Final = "service.istio.io/canonical-"
_NAMES: Final = ("app.kubernetes.io/name", "app")
_REVISIONS: Final = ("app.kubernetes.io/version", "version")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_SCRAPING: Final = ("prometheus.io/scrape", "prometheus.io/port", "prometheus.io/path")
_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class Added:
    """The names of what a pod was given."""

    init_containers: Sequence[str]
    containers: Sequence[str]
    volumes: Sequence[str]


def new_labels(subject: Subject) -> dict[str, str]:
    """The labels that are added; those that the pod has stay."""
    made = {
        _CANONICAL + "name": first_of(subject.labels, _NAMES) or _as_label(subject.workload.name),
        _CANONICAL + "revision": first_of(subject.labels, _REVISIONS) or "latest",
    }
    if not subject.gateway:
        made["security.istio.io/tlsMode"] = "istio"
    if subject.settings.network:
        made["topology.istio.io/network"] = subject.settings.network
    return {key: value for key, value in made.items() if value and key not in subject.labels}


def new_annotations(subject: Subject, added: Added) -> dict[str, str]:
    """The annotations that are added."""
    status = {
        "initContainers": list(added.init_containers),
        "containers": list(added.containers),
        "volumes": list(added.volumes),
        "imagePullSecrets": None,
        "revision": subject.settings.revision,
    }
    made = {STATUS: json.dumps(status, separators=(",", ":")), REVISION: subject.settings.revision}
    names = [text(each.get("name")) for each in subject.containers]
    if _DEFAULT_CONTAINER not in subject.annotations:
        made[_DEFAULT_CONTAINER] = names[0] if names else PROXY
    return {**made, **_scraping(subject)}


def _scraping(subject: Subject) -> dict[str, str]:
    """Where Envoy's metrics are, unless the pod says where its own are: nothing here adds the two together."""
    known = subject.annotations
    if known.get("prometheus.istio.io/merge-metrics", "").lower() == "false":
        return {}
    stated = [key for key in _SCRAPING if key in known]
    if stated:
        message = f"is kept: metrics of the proxy are not merged into the application's, and are at port {METRICS_PORT}"
        subject.found.add(subject.annotation(stated[0]), "metrics.not-merged", message, Severity.INFO)
        return {}
    return dict(zip(_SCRAPING, ("true", str(METRICS_PORT), "/stats/prometheus"), strict=True))


def _as_label(name: str) -> str:
    """The name as a label's value may be: 63 characters, with letters or digits at both ends."""
    cut = name[:63].strip("-._")
    return cut if _LABEL.fullmatch(cut) else ""
