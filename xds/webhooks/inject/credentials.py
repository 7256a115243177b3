"""What the proxy proves itself with and whom it trusts: one volume, which the kubelet keeps fresh.

Token, roots and the files by which Envoy watches them stand in one projected volume, since Envoy takes a file anew when
something is renamed in its folder, and the kubelet renames once for the whole volume. No annotation holds a secret.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from xds.bootstrap.credentials import Tls, WatchedToken
from xds.bootstrap.envoy import ControlPlane
from xds.model.identity import TOKEN_AUDIENCE
from xds.model.well_known import ROOTS_CONFIG_MAP, ROOTS_KEY
from xds.webhooks.inject.plain import Json
from xds.webhooks.inject.settings import InjectionSettings

VOLUME: Final = "plait-credentials"
FOLDER: Final = Path("/var/run/secrets/plait")
_TOKEN_LASTS_S: Final = 3600
_ANNOTATION: Final = "sidecar.plait/"


def control_plane(settings: InjectionSettings, address: str = "") -> ControlPlane:
    """The control plane as sidecars reach it; ``address`` is another than the settings'."""
    name = address.rpartition(":")[0].strip("[]") if address else settings.server_name
    tls = Tls(name, FOLDER / ROOTS_KEY, sds_folder=FOLDER)
    token = WatchedToken(FOLDER / "token", FOLDER / "control-plane-token.json")
    return ControlPlane(address or settings.xds_address, tls, token)


def sds_annotations(plane: ControlPlane) -> dict[str, str]:
    """The annotations that hold the watching files."""
    return {_annotation(path): text for path, text in _files(plane).items()}


def volume(plane: ControlPlane) -> Json:
    """The volume. Its files are for everybody, but only the proxy mounts it."""
    token = {"path": "token", "audience": TOKEN_AUDIENCE, "expirationSeconds": _TOKEN_LASTS_S}
    roots = {"name": ROOTS_CONFIG_MAP, "items": [{"key": ROOTS_KEY, "path": ROOTS_KEY}]}
    items = [
        {"path": path.name, "fieldRef": {"fieldPath": f"metadata.annotations['{_annotation(path)}']"}}
        for path in _files(plane)
    ]
    sources = [{"serviceAccountToken": token}, {"configMap": roots}, {"downwardAPI": {"items": items}}]
    return {"name": VOLUME, "projected": {"sources": sources}}


def mount() -> Json:
    """The volume in the proxy's container."""
    return {"name": VOLUME, "mountPath": str(FOLDER), "readOnly": True}


def _files(plane: ControlPlane) -> dict[Path, str]:
    """The text of each watching file, on one line."""
    files = dict(plane.tls.sds_files) if plane.tls else {}
    if plane.token:
        files[plane.token.sds_file] = plane.token.sds
    return {path: json.dumps(json.loads(files[path]), separators=(",", ":")) for path in sorted(files)}


def _annotation(path: Path) -> str:
    return _ANNOTATION + path.stem
