"""Write the files of ``envoy-bootstrap/``.

Bootstraps of ``xds.bootstrap.envoy`` with example values, one a kind of proxy, and the rules that send a pod's traffic
through its sidecar, as ``iptables-restore`` reads them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import yaml

from xds.bootstrap.credentials import Json
from xds.bootstrap.envoy import ControlPlane, bootstrap
from xds.bootstrap.node import ProxyNode
from xds.model.interception import Interception, rules

FOLDER: Final = Path(__file__).parents[1] / "envoy-bootstrap"
_ADDRESS: Final = ("10.77.0.2",)
_IN_CLUSTER: Final = ControlPlane("plait.plait-system.svc.cluster.local:15010")

_SIDECAR: Final = """\
# Bootstrap of a sidecar in a cluster, valid as it stands: node values and the control plane's address are examples.
# `plait bootstrap --node-id ID --xds ADDR` prints one for a real pod. Made by tools/envoy_bootstraps.py; do not edit.
"""
_GATEWAY: Final = """\
# Bootstrap of a gateway in a cluster (a `router`), valid as it stands: node values and addresses are examples.
# Made by tools/envoy_bootstraps.py; do not edit.
"""
_LOCAL: Final = """\
# Bootstrap of a sidecar of the local mesh, valid as it stands: the control plane is a unix socket that only the node's
# namespaces have. Made by tools/envoy_bootstraps.py; do not edit.
"""


def documents() -> dict[str, str]:
    """The text of each file by its name."""
    sidecar = ProxyNode("sidecar", "shop", "web-7c9f4d8b5-x2x4q", _ADDRESS, labels={"app": "web"}, workload="web")
    gateway = ProxyNode("router", "plait-system", "gateway-6d5f8c7b9-k4k5m", _ADDRESS, labels={"app": "gateway"})
    local = ControlPlane("unix:/run/plait/xds.sock")
    return {
        "sidecar.yaml": _SIDECAR + _text(bootstrap(sidecar, _IN_CLUSTER)),
        "gateway.yaml": _GATEWAY + _text(bootstrap(gateway, _IN_CLUSTER)),
        "local.yaml": _LOCAL + _text(bootstrap(sidecar, local)),
        "iptables.rules": _rules(4),
        "ip6tables.rules": _rules(6),
    }


def _rules(version: int) -> str:
    program = "iptables-restore" if version == 4 else "ip6tables-restore"
    head = f"# All TCP of a pod through its sidecar: {program} < this, in the pod's network namespace."
    return "\n".join([head, *rules(Interception(), version), ""])


def _text(document: Json) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=120, default_flow_style=False)


def main() -> int:
    """Write all files; returns 0."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
