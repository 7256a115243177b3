"""The prover beside the control plane: a container with a stock Envoy, apart from its keys, tokens and files."""

from __future__ import annotations

from typing import Final

from xds.install.objects import Json
from xds.install.values import Values

_FOLDER: Final = "/prover"
_VOLUME: Final = "prover"
_USER: Final = 65531
"""Another than the control plane's; the socket is the group's, which the pod's volumes have (fsGroup)."""

_FLAGS: Final = "--concurrency 1 --disable-hot-restart --drain-time-s 1 --parent-shutdown-time-s 2 --log-level critical"
# A candidate may end it. The kubelet would start it again later and later, and take the pod for one that is not ready.
_AGAIN: Final = (
    "trap 'kill $!; exit 0' TERM\n"
    f"until [ -e {_FOLDER}/envoy.json ]; do sleep 0.1; done\n"
    "while :; do\n"
    f"  envoy --config-path {_FOLDER}/envoy.json {_FLAGS} &\n"
    "  wait $!\n"
    "  sleep 0.1\n"
    "done\n"
)


def flags(values: Values) -> list[str]:
    """What tells the control plane of its prover."""
    return ["--prover", f"unix:{_FOLDER}/xds" if values.prover else "off"]


def container(values: Values) -> Json:
    """The container: it finds its bootstrap and the control plane's socket in a folder that it cannot write."""
    return {
        "name": "prover",
        "image": values.prover_image or values.proxy_image,
        "imagePullPolicy": values.image_pull_policy,
        "command": ["/bin/sh", "-c", _AGAIN],
        "resources": dict(values.prover_resources),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True}],
    }


def volume() -> Json:
    """The folder that both have."""
    return {"name": _VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}


def mount() -> Json:
    """Where the control plane has it."""
    return {"name": _VOLUME, "mountPath": _FOLDER}
