"""The structs of what users write: complete, described, and the same after a way out and back."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.decoders.shape.yaml_values import read_values
from xds.kinds.authored import Authored, Strict
from xds.kinds.gateway_api.gateway import Gateway as ApiGateway
from xds.kinds.quantities import decode_hook, format_duration, parse_duration, schema_hook
from xds.kinds.registry import BY_API_VERSION, KINDS, by_word, to_plain

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.yaml"))


def struct_of(plain: dict[str, Any]) -> Authored:
    return msgspec.convert(plain, BY_API_VERSION[plain["apiVersion"], plain["kind"]], dec_hook=decode_hook)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_with_every_field_come_back_as_they_went(path: Path) -> None:
    for plain in read_values(path.read_text())[0]:
        struct = struct_of(plain)
        assert struct_of(to_plain(struct)) == struct
        assert list(to_plain(struct))[:2] == ["apiVersion", "kind"]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_have_every_field(path: Path) -> None:
    for plain in read_values(path.read_text())[0]:
        struct = BY_API_VERSION[plain["apiVersion"], plain["kind"]]
        schema = msgspec.json.schema(struct, schema_hook=schema_hook)
        assert set(fields_of(schema, schema)) <= set(keys_of(plain))


def fields_of(schema: dict[str, Any], root: dict[str, Any], seen: tuple[str, ...] = ()) -> list[str]:
    """The dotted names of all fields below ``schema``."""
    reference = schema.get("$ref")
    if reference:
        name = reference.rsplit("/", 1)[1]
        return [] if name in (*seen, "ObjectMeta") else fields_of(root["$defs"][name], root, (*seen, name))
    found: list[str] = []
    for name, below in schema.get("properties", {}).items():
        found += [name, *(f"{name}.{inner}" for inner in fields_of(below, root, seen))]
    for branch in schema.get("anyOf", ()):
        found += fields_of(branch, root, seen)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += fields_of(schema[key], root, seen)
    return found


def keys_of(value: Any) -> list[str]:
    """The dotted names of all keys in ``value``; map keys called KEY are left out."""
    if isinstance(value, list):
        return [name for item in value for name in keys_of(item)]
    if not isinstance(value, dict):
        return []
    found: list[str] = []
    for name, below in value.items():
        inner = keys_of(below)
        found += inner if name == "KEY" else [name, *(f"{name}.{each}" for each in inner)]
    return found


def test_every_field_of_istios_kinds_is_described() -> None:
    for struct in KINDS:
        schema = msgspec.json.schema(struct, schema_hook=schema_hook)
        for name, message in schema["$defs"].items():
            if message.get("additionalProperties") is False:
                assert message.get("description"), name
                bare = [key for key, field in message["properties"].items() if "description" not in field]
                assert not bare, (name, bare)


def test_istios_messages_and_our_own_are_strict_and_kubernetes_are_not() -> None:
    for struct in KINDS:
        strict = struct.KIND.group.endswith(("istio.io", "plait.dev"))
        assert struct.__struct_config__.forbid_unknown_fields is strict
    assert all(message.__struct_config__.forbid_unknown_fields for message in Strict.__subclasses__())


def test_kinds_are_found_by_any_of_their_words() -> None:
    for struct in KINDS:
        shared = () if struct is ApiGateway else (struct.KIND.name, struct.KIND.plural)
        for word in (*shared, *struct.KIND.short, f"{struct.KIND.plural}.{struct.KIND.group}"):
            assert by_word(word) is struct
    assert by_word("nonsense") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5s", 1.5),
        ("100ms", 0.1),
        ("1h30m", 5400),
        ("0", 0),
        ("0s", 0),
        ("1us", 1e-6),
        (".5s", 0.5),
        ("1m0.5s", 60.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "1d", "-1s", "1 s", "s", "1s ", "+1s", "1.s.", "9" * 50 + "h", "\n1s", "1s\n"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|years"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36_525)))
def test_durations_come_back_as_they_went(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(st.text(alphabet="0123456789.hmsnuµ"))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= timedelta(0)
