"""Prints a digest of every resource that the golden meshes make, and of injected pods.

Run under several hash seeds, it must be the same.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import yaml

from tests.golden.injection_case import Case
from tests.golden.mesh_case import objects_of, proxy_of
from tests.objects import applied
from xds.decoders.build import Builder
from xds.pipeline import Pipeline
from xds.slices import at_once

CASES = sorted((Path(__file__).parent / "mesh").glob("*.yaml"))
PODS = sorted((Path(__file__).parent / "injection").glob("*.yaml"))


def main() -> None:
    """One line a resource, in order."""
    for path in CASES:
        case = yaml.safe_load(path.read_text())
        pipeline = Pipeline(applied(Builder(), objects_of(case)).snapshot)
        served = at_once(pipeline.connect(proxy_of(case)))
        for url, layers in served.layers.items():
            for table in layers:
                for name in sorted(table):
                    digest = hashlib.sha256(table[name].body).hexdigest()
                    print(path.stem, url, name, digest, *map(str, table[name].provenance))
    for path in PODS:
        outcome = Case(path.read_text()).injected
        print(path.stem, hashlib.sha256(json.dumps(outcome.pod).encode()).hexdigest(), *map(str, outcome.problems))


if __name__ == "__main__":
    main()
