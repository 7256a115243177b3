"""YAML as kubectl reads it, and that no text breaks the reader."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xds.decoders.shape.yaml_values import Duplicate, YamlFault, plain_scalar, read_values

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Quoting(yaml.SafeDumper):
    """PyYAML leaves texts bare that kubectl reads as numbers: ``0E0``."""


Quoting.add_representer(str, lambda to, text: to.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def value(text: str) -> Any:
    values, duplicates = read_values(text)
    assert not duplicates
    return values[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21", "2026-11-21"),
        ("2026-11-21T03:49:00Z", "2026-11-21T03:49:00Z"),
        ("12:30", "12:30"),
        ("1e3", 1000.0),
        ("010", 8),
        ("0o17", 15),
        ("0x1f", 31),
        ("1_000", 1000),
        ("-5", -5),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("1.10", 1.1),
        ("09", 9.0),
        (".", "."),
        ("-", "-"),
        ("0x_", "0x_"),
        ("10.0.0.1", "10.0.0.1"),
        ("v1", "v1"),
        ("=", "="),
    ],
)
def test_plain_scalars(text: str, expected: object) -> None:
    found = plain_scalar(text)
    assert (found, type(found)) == (expected, type(expected))


def test_keys_are_as_written() -> None:
    assert value("on: 1\n80: 2\n1.10: 3\ntrue: 4") == {"on": 1, "80": 2, "1.10": 3, "true": 4}


def test_merge_keys_and_aliases() -> None:
    text = "base: &base {a: 1, b: 2}\nmine: {<<: *base, b: 3}\nboth: {<<: [*base, {c: 4}]}\n'<<': text"
    assert value(text) == {
        "base": {"a": 1, "b": 2},
        "mine": {"a": 1, "b": 3},
        "both": {"a": 1, "b": 2, "c": 4},
        "<<": "text",
    }


def test_doubled_keys_are_found_with_their_place() -> None:
    _, duplicates = read_values("a: 1\nb: [{c: 1,\n c: 2}]\na: 2")
    assert duplicates == [Duplicate(("b", 0, "c"), 2), Duplicate(("a",), 3)]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a:\n\tb: 1", 1, "tab"),
        ("a: b: c", 0, "':'"),
        ("a:\n  b: 1\n c: 2", 2, "indented"),
        ("a: 1\nb", 1, "lacks a ':'"),
        ("a: 'x", 0, "quoted"),
        ("a: @x", 0, "must be quoted"),
        ("a: \x01", 0, "U+0001"),
        ("a: \ud800", 0, "U+D800"),
        ("a: &a [*a]", 0, "anchor"),
        ("a: !!python/object:os.system x", 0, "tag"),
        ("a: !!python/object/new:os.system [x]", 0, "tag"),
        ("? [a]\n: b", 0, "key must be text"),
        ("[" * 100_000, 0, "deeper than 100"),
        ("- " * 100_000 + "x", 0, "deeper than 100"),
    ],
)
def test_faults_name_line_and_remedy(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlFault) as caught:
        read_values(text)
    assert caught.value.line == line
    assert words in caught.value.message


@given(JSON)
def test_what_is_written_is_read(plain: Any) -> None:
    assert value(yaml.dump({"value": plain}, Dumper=Quoting)) == {"value": plain}


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!?|>'\"#% \n\t<~0")) | st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(YamlFault):
        read_values(text)
