"""Write the files of ``install/`` that deploy the control plane: kustomize, the Helm chart, the Grafana dashboards.

All from ``xds.install``, as ``plait install`` has it; ``install/crds.yaml`` beside them is made by ``tools.crds``.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tools import crds
from tools.grafana import dashboards
from tools.install_chart import chart
from xds.install.manifests import manifests
from xds.install.objects import Json
from xds.install.text import document_text, yaml_text
from xds.install.values import Values

FOLDER: Final = Path(__file__).parents[1] / "install"
OWN: Final = ("kustomize", "chart", "grafana")
"""The folders below it that are written anew, whole."""

_MADE: Final = "Made by tools/install_files.py from xds/install; do not edit."
_RESOURCES: Final = {"requests": {"cpu": "500m", "memory": "1Gi"}}
OVERLAYS: Final[Mapping[str, tuple[str, Values]]] = {
    "dev": (
        "One pod that says all and asks for little, for a cluster on a laptop.",
        Values(log_level="debug", resources={"requests": {"cpu": "50m", "memory": "128Mi"}}),
    ),
    "ha": (
        "Three to nine pods, a node each; NetworkPolicies.",
        Values(autoscale_min=3, autoscale_max=9, spread="DoNotSchedule", network_policies=True, resources=_RESOURCES),
    ),
}
_BASE: Final = (
    "The control plane with all defaults. The definitions of Istio's kinds come first, where they are not there:\n"
    "#   kubectl apply --server-side -f install/crds.yaml"
)


def documents() -> dict[str, str]:
    """The text of each file by its path below ``install/``."""
    plain = manifests(Values())
    found = {
        "kustomize/base/plait.yaml": f"# {_MADE}\n{yaml_text(plain)}",
        "kustomize/base/kustomization.yaml": _kustomization(_BASE, {"resources": ["plait.yaml"]}),
        **{f"grafana/{file}": json.dumps(plain, indent=2) + "\n" for file, plain in dashboards().items()},
    }
    for name, (about, values) in OVERLAYS.items():
        found |= {f"kustomize/overlays/{name}/{file}": text for file, text in _overlay(about, plain, values).items()}
    return found | {f"chart/{file}": text for file, text in chart(crds.document()).items()}


def _overlay(about: str, plain: Sequence[Json], values: Values) -> dict[str, str]:
    known = {_target(each): each for each in plain}
    more = [each for each in manifests(values) if _target(each) not in known]
    patches = [
        {"target": {"kind": each["kind"], "name": each["metadata"]["name"]}, "patch": document_text(operations)}
        for each in manifests(values)
        if (operations := list(_difference(known.get(_target(each), each), each, "")))
    ]
    body: Json = {"resources": ["../../base", *(["more.yaml"] if more else [])], "patches": patches}
    files = {"kustomization.yaml": _kustomization(about, body)}
    return files | ({"more.yaml": f"# {_MADE}\n{yaml_text(more)}"} if more else {})


def _target(each: Json) -> tuple[str, str, str]:
    metadata = each["metadata"]
    return each["kind"], metadata["name"], metadata.get("namespace", "")


def _difference(old: Any, new: Any, path: str) -> Iterator[Json]:
    """The JSON patch (RFC 6902) from ``old`` to ``new``; a list that differs is replaced where lengths differ."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            at = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in new:
                yield {"op": "remove", "path": at}
            elif key not in old:
                yield {"op": "add", "path": at, "value": new[key]}
            else:
                yield from _difference(old[key], new[key], at)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _difference(*pair, f"{path}/{index}")
    else:
        yield {"op": "replace", "path": path, "value": new}


def _kustomization(about: str, body: Json) -> str:
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return f"# {about}\n# {_MADE}\n{document_text({**head, **body})}"


def main() -> int:
    """Write all files, and nothing else into their folders; returns 0."""
    for folder in OWN:
        shutil.rmtree(FOLDER / folder, ignore_errors=True)
    for name, text in documents().items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
