"""JSON of any depth can be read, and what is not deep is read as it is."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.model.shallow import read, shallow

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('{}[]"\\a', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('{}[]"\\a', max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(_JSON, st.integers(0, 5))
def test_what_is_deeper_is_cut_and_nothing_else(value: Any, deepest: int) -> None:
    assert json.loads(shallow(json.dumps(value).encode(), deepest)) == _cut(value, deepest)


def test_what_is_too_deep_is_read_without_its_depths() -> None:
    text = b'{"name": "a", "fields": ' + b'{"f:a":' * 9000 + b"1" + b"}" * 9000 + b', "after": [1]}'
    with pytest.raises(RecursionError):
        json.loads(text)
    found = read(json.loads, text)
    assert (found["name"], found["after"]) == ("a", [1])


def _cut(value: Any, left: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if not left:
        return None
    if isinstance(value, list):
        return [_cut(each, left - 1) for each in value]
    return {key: _cut(each, left - 1) for key, each in value.items()}
