"""A collector of traces in a mesh, made of OpenTelemetry's own receivers, and the spans that it was told."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.envoy.manifests import Manifest, namespace, pod, service

TOOL = Path(__file__).parents[2] / "tools" / "collector"
BUILD_S = 1500.0
HOST = "collector.tracing.svc.cluster.local"
PORTS = {"grpc-otlp": 4317, "http-otlp": 4318, "http-zipkin": 9411}
# OTLP's words for the kinds of spans.
SERVER, CLIENT = 2, 3


@dataclass(frozen=True, slots=True)
class Span:
    """One span as the collector has it."""

    service: str
    trace: str
    id: str
    parent: str
    kind: int
    tags: dict[str, str]


@contextmanager
def told_file() -> Iterator[Path]:
    """Where the collector writes, a batch a line; not in pytest's folders, which are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="plait-collector-") as folder:
        file = Path(folder) / "told.json"
        file.touch()
        file.chmod(0o666)  # a pod's programs are of nobody
        file.parent.chmod(0o755)
        yield file


def collector(told: Path) -> list[Manifest]:
    """The collector and its namespace; the test is skipped where it cannot be built."""
    program = shutil.copy(_program(), told.parent)
    ports = " ".join(f"{name}:{port}" for name, port in PORTS.items())
    return [
        namespace("tracing", inject=False),
        pod("collector", namespace="tracing", ports=ports, command=[program, str(told)]),
        service("collector", *({"name": n, "port": p} for n, p in PORTS.items()), namespace="tracing"),
    ]


def _program() -> Path:
    try:
        done = subprocess.run([str(TOOL)], capture_output=True, text=True, timeout=BUILD_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"the collector is not built in {BUILD_S:g} s here")
    if done.returncode:
        pytest.skip(f"the collector cannot be built here: {done.stderr[-500:]}")
    return Path(done.stdout.strip()) / "collector"


def attributes(holder: dict[str, Any]) -> dict[str, str]:
    """The attributes of something that OTLP tells of."""
    return {each["key"]: str(next(iter(each["value"].values()), "")) for each in holder.get("attributes", ())}


def batches(told: Path, kind: str) -> Iterator[dict[str, Any]]:
    """What was told of ``resourceSpans`` or ``resourceLogs``; a line that is still being written is left out."""
    text = told.read_text() if told.exists() else ""
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            yield from json.loads(line).get(kind, ())


def spans(told: Path) -> Iterator[Span]:
    """All spans that were told."""
    for resource in batches(told, "resourceSpans"):
        name = attributes(resource["resource"]).get("service.name", "")
        for scope in resource["scopeSpans"]:
            for each in scope["spans"]:
                parent = each.get("parentSpanId", "")
                yield Span(name, each["traceId"], each["spanId"], parent, each.get("kind", 0), attributes(each))
