"""From a struct to the structural OpenAPI v3 schema that a CustomResourceDefinition may hold."""

from __future__ import annotations

import inspect
from copy import deepcopy
from typing import Any, Final

import msgspec
from msgspec.inspect import (
    AnyType,
    BoolType,
    CustomType,
    DictType,
    Field,
    FloatType,
    IntType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from xds.kinds.crds.bounds import BOUNDS
from xds.kinds.crds.rules import DURATION, POSITIVE_DURATION, rules
from xds.kinds.quantities import PositiveDuration

Schema = dict[str, Any]

UNKNOWN_FIELDS: Final = "x-kubernetes-preserve-unknown-fields"
_LARGEST_EXACT: Final = 2**53
"""An API server reads bounds as floating point; integers themselves are of 64 bits there anyhow."""
_LONGEST_DURATION: Final = 100
"""Characters that ``parse_duration`` takes."""


class Unschematic(Exception):
    """A type that structural schemas cannot say: a struct within itself, or a union of several types."""


def field_schema(struct: type[msgspec.Struct], name: str) -> Schema:
    """The schema of the field ``name`` (as JSON has it) of ``struct``: all inline, every node with a type, no defaults.

    Shape:   a new dictionary at each call; what may be None is ``nullable``, what may be anything keeps unknown fields.
    Errors:  KeyError without such a field; Unschematic, which is a fault of the struct.
    """
    of = type_info(struct)
    found = {field.encode_name: field for field in of.fields} if isinstance(of, StructType) else {}
    return _field(struct, found[name], ())


def _node(of: Type, above: tuple[type, ...]) -> Schema:
    """The schema of one type; ``above`` are the structs that it stands in."""
    if isinstance(of, Metadata):
        return _node(of.type, above) | (of.extra_json_schema or {})
    if isinstance(of, UnionType):
        return _nullable(of, above)
    if isinstance(of, StructType):
        return _object(of, above)
    if isinstance(of, VarTupleType):
        sizes = {"minItems": of.min_length, "maxItems": of.max_length}
        return {"type": "array", "items": _node(of.item_type, above), **_given(sizes)}
    if isinstance(of, DictType):
        return {"type": "object", "additionalProperties": _node(of.value_type, above)}
    return _scalar(of)


def _scalar(of: Type) -> Schema:
    if isinstance(of, StrType):
        return {"type": "string", **_given({"minLength": of.min_length, "maxLength": of.max_length})}
    if isinstance(of, IntType):
        exact = of.le is None or of.le <= _LARGEST_EXACT
        return {"type": "integer", **_given({"minimum": of.ge, "maximum": of.le if exact else None})}
    if isinstance(of, FloatType):
        return {"type": "number", **_given({"minimum": of.ge, "maximum": of.le})}
    if isinstance(of, BoolType):
        return {"type": "boolean"}
    if isinstance(of, LiteralType):
        return {"type": "string" if isinstance(of.values[0], str) else "integer", "enum": list(of.values)}
    if isinstance(of, AnyType):
        return {UNKNOWN_FIELDS: True}
    if isinstance(of, CustomType):
        rule = POSITIVE_DURATION if of.cls is PositiveDuration else DURATION
        return {"type": "string", "maxLength": _LONGEST_DURATION, "x-kubernetes-validations": [rule.plain]}
    raise Unschematic(str(of))


def _nullable(of: UnionType, above: tuple[type, ...]) -> Schema:
    given = [each for each in of.types if not isinstance(each, NoneType)]
    if len(given) != 1:
        raise Unschematic(f"a union of {len(given)} types")
    made = _node(given[0], above)
    # An API server compares null with the texts of an enumeration even where null is allowed.
    return made if "type" not in made or "enum" in made else made | {"nullable": True}


def _object(of: StructType, above: tuple[type, ...]) -> Schema:
    if of.cls in above:
        raise Unschematic(f"{of.cls.__name__} holds itself")
    inner = (*above, of.cls)
    made: Schema = {"type": "object", "description": inspect.getdoc(of.cls)}
    made["properties"] = {field.encode_name: _field(of.cls, field, inner) for field in of.fields}
    made |= _given({"required": [field.encode_name for field in of.fields if field.required] or None})
    if not of.forbid_unknown_fields:
        made[UNKNOWN_FIELDS] = True
    found = [rule.plain for rule in rules(of.cls)]
    return made | ({"x-kubernetes-validations": found} if found else {})


def _field(struct: type, field: Field, above: tuple[type, ...]) -> Schema:
    made = _node(field.type, above) | deepcopy(dict(BOUNDS.get((struct, field.encode_name), {})))
    return {key: value for key, value in made.items() if value is not None}


def _given(keys: Schema) -> Schema:
    return {key: value for key, value in keys.items() if value is not None}
