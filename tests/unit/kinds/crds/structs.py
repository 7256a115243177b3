"""Random valid values of structs, for hypothesis."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from xds.kinds.quantities import PositiveDuration

Strategy = st.SearchStrategy[Any]
_LARGEST = 10**6


@cache
def structs(struct: type[msgspec.Struct]) -> Strategy:
    """Values of ``struct`` that its own types allow; each optional field is there or not."""
    return _of(inspect.type_info(struct))


def _of(kind: inspect.Type) -> Strategy:
    if isinstance(kind, inspect.Metadata):
        return _of(kind.type)
    if isinstance(kind, inspect.UnionType):
        return st.one_of([_of(each) for each in kind.types])
    if isinstance(kind, inspect.StructType):
        made = kind.cls
        required = {field.name: _of(field.type) for field in kind.fields if field.required}
        optional = {field.name: _of(field.type) for field in kind.fields if not field.required}
        return st.fixed_dictionaries(required, optional=optional).map(lambda given: made(**given))
    if isinstance(kind, inspect.VarTupleType):
        entries = st.lists(_of(kind.item_type), min_size=kind.min_length or 0, max_size=(kind.min_length or 0) + 1)
        return entries.map(tuple)
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(_of(kind.key_type), _of(kind.value_type), max_size=2)
    return _scalar(kind)


def _scalar(kind: inspect.Type) -> Strategy:
    if isinstance(kind, inspect.NoneType):
        return st.none()
    if isinstance(kind, inspect.StrType):
        return st.text(min_size=kind.min_length or 0, max_size=12)
    if isinstance(kind, inspect.IntType):
        whole: Strategy = st.integers(kind.ge, kind.le)
        return whole
    if isinstance(kind, inspect.FloatType):
        low, high = (-_LARGEST if kind.ge is None else kind.ge), (_LARGEST if kind.le is None else kind.le)
        return st.floats(low, high, allow_nan=False)
    if isinstance(kind, inspect.BoolType):
        return st.booleans()
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, inspect.AnyType):
        return st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=2)
    assert isinstance(kind, inspect.CustomType), kind
    shortest = timedelta(milliseconds=1) if kind.cls is PositiveDuration else timedelta(0)
    return st.timedeltas(shortest, timedelta(days=100_000))
