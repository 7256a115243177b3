"""The Grafana dashboards of ``install/grafana``."""

from __future__ import annotations

from tools.grafana.board import Json
from tools.grafana.control_plane import CONTROL_PLANE
from tools.grafana.mesh import MESH
from tools.grafana.workload import WORKLOAD

BOARDS = (CONTROL_PLANE, MESH, WORKLOAD)


def dashboards() -> dict[str, Json]:
    """Each dashboard, as Grafana imports it, by the name of its file."""
    return {f"{board.name}.json": board.plain() for board in BOARDS}
