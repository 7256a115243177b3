"""The library without server: how long manifests take to load, and how long one change takes to become bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from bench.figures import LIBRARY, Figure
from bench.mesh import Mesh, Size
from xds.decoders.build import Builder
from xds.model.endpoint import Locality
from xds.model.proxy import Proxy
from xds.pipeline import Pipeline
from xds.slices import at_once
from xds.sources.files import load

Say = Callable[[str], None]


def figures(folder: Path, *, quick: bool, say: Say) -> list[Figure]:
    """Load 10,000 objects (500 when quick), make one proxy's configuration, then change one object at a time."""
    size = Size(200, 5, routes=50, rules=40) if quick else Size(4000, 10, routes=1000, rules=979)
    mesh = Mesh(folder / "library", size)
    mesh.write()
    began = time.perf_counter()
    loaded = load(mesh.folder)
    read = time.perf_counter()
    builder = Builder()
    change = at_once(builder.apply((found.ref, found.struct) for found in loaded.objects))
    decoded = time.perf_counter()
    pipeline = Pipeline(change.snapshot)
    first = time.perf_counter()
    at_once(pipeline.connect(_proxy(mesh)))
    made = time.perf_counter()
    say(f"library: {len(loaded.objects)} objects, {len(loaded.problems)} problems")
    lines = [
        _line(f"{len(loaded.objects)} objects: YAML to structs", read - began),
        _line("to a snapshot", decoded - read),
        _line("the first proxy's resources", made - first),
    ]
    edits = {"one endpoint": mesh.edit_endpoint, "one VirtualService": mesh.edit_route, "one Service": mesh.add_service}
    for name, edit in edits.items():
        lines.append(_line(f"{name} changed, to bytes", *(_edit(mesh, edit, builder, pipeline) for _ in range(5))))
    return lines


def _edit(mesh: Mesh, edit: Callable[[], object], builder: Builder, pipeline: Pipeline) -> float:
    edit()
    mesh.publish()
    objects = load(mesh.edited).objects
    began = time.perf_counter()
    change = at_once(builder.apply((found.ref, found.struct) for found in objects))
    if not at_once(pipeline.advance(change)):
        raise RuntimeError("the edit changed nothing")
    return time.perf_counter() - began


def _proxy(mesh: Mesh) -> Proxy:
    pod = mesh.pods(1)[0]
    metadata = {"NAMESPACE": pod.namespace, "LABELS": {"app": pod.app}, "INSTANCE_IPS": pod.address}
    return Proxy.of(pod.node_id, metadata, locality=Locality(), vhds=True, version="1.40.0")


def _line(what: str, *seconds: float) -> Figure:
    return Figure(LIBRARY, 0, what, "s", seconds)
