"""Every fault in the shape of an object: its kind's own JSON schema lists them, we say them in our words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from xds.decoders.shape.positions import Path
from xds.kinds.authored import Authored
from xds.kinds.quantities import Duration, PositiveDuration, decode_hook, schema_hook

NAMES_SHOWN = 12
"""How many field names a message lists at most."""

FAULTS_SHOWN = 100
"""How many faults of one object are listed at most."""


class Fault(NamedTuple):
    """A finding about a field, before it is known whose object it is."""

    path: Path
    code: str
    message: str


def faults(plain: Any, struct: type[Authored]) -> tuple[Fault, ...]:
    """All faults in the shape of ``plain`` as an object of ``struct``, sorted by path.

    Shape: ``plain`` is of JSON types and without nulls, which mean absent.
    """
    found: dict[tuple[Path, str], Fault] = {}
    for error in _validator(struct).iter_errors(plain):
        for fault in _reworded(error):
            found.setdefault((fault.path, fault.code), fault)
        if len(found) > FAULTS_SHOWN:
            break
    in_order = sorted(found.values(), key=_order)
    if len(in_order) > FAULTS_SHOWN:
        more = Fault((), "object.more-faults", "has more faults than these")
        return (*in_order[:FAULTS_SHOWN], more)
    return tuple(in_order)


def _order(fault: Fault) -> tuple[list[tuple[bool, str | int]], str]:
    """Sorts by path, indices as numbers."""
    return [(isinstance(step, str), step) for step in fault.path], fault.code


@cache
def _validator(struct: type[Authored]) -> Any:
    schema = _without_null(msgspec.json.schema(struct, schema_hook=schema_hook))
    strict = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    validator: Any = extend  # typeshed has no types for it
    return validator(Draft202012Validator, type_checker=strict)(schema, format_checker=_formats())


def _is_integer(_checker: object, value: object) -> bool:
    """As msgspec sees it: 3.0 is no whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


@cache
def _formats() -> FormatChecker:
    """The formats that our schemas use, checked by the code that decodes them."""
    checker = FormatChecker(formats=())
    for name, wanted in (("duration", Duration), ("positive-duration", PositiveDuration), ("date-time", datetime)):
        checker.checks(name)(lambda value, wanted=wanted: not isinstance(value, str) or _decodes(value, wanted))
    return checker


def _decodes(value: str, wanted: type) -> bool:
    try:
        msgspec.convert(value, wanted, dec_hook=decode_hook)
    except msgspec.ValidationError:
        return False
    return True


def _without_null(schema: Any) -> Any:
    """``schema`` in which nothing may be null, so that a fault is reported where it is and not as "none of two"."""
    if isinstance(schema, list):
        return [_without_null(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    branches = [branch for branch in schema.get("anyOf", ()) if branch != {"type": "null"}]
    rest = {key: _without_null(value) for key, value in schema.items() if key not in ("anyOf", "default")}
    if "enum" in rest:
        rest["enum"] = [value for value in rest["enum"] if value is not None]
    if len(branches) == 1:
        return {**_without_null(branches[0]), **{key: rest[key] for key in rest if key != "description"}}
    if branches:
        rest["anyOf"] = _without_null(branches)
    return rest


def _reworded(error: ValidationError) -> Iterator[Fault]:
    path: Path = tuple(error.absolute_path)
    schema: dict[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    value: Any = error.instance
    if error.validator == "additionalProperties" and schema.get("additionalProperties") is False:
        yield from _unknown(path, value, schema)
    elif error.validator == "required":
        missing = [name for name in schema["required"] if name not in value]
        yield from (Fault((*path, name), "field.required", "is required") for name in missing)
    elif error.validator == "pattern" and "format" in schema:
        return  # the format says it better
    elif error.validator == "minLength" and value == "":
        yield Fault(path, "field.required", "must not be empty")
    else:
        code, expected = _expected(schema, str(error.validator))
        yield Fault(path, code, f"{expected}, is {shown(value)}{_hint(schema, value)}")


def _unknown(path: Path, instance: dict[str, Any], schema: dict[str, Any]) -> Iterator[Fault]:
    """One fault for each key that is no field."""
    known = sorted(schema.get("properties", ()))
    for name in instance:
        if name in schema.get("properties", ()):
            continue
        near = nearest(name, known)
        if near:
            advice = f"; did you mean {near!r}?"
        elif len(known) <= NAMES_SHOWN:
            advice = f"; it has {listed(known, 'and')}"
        else:
            advice = ""
        yield Fault((*path, name), "field.unknown", f"is no field of {_owner(schema)}{advice}")


def _owner(schema: dict[str, Any]) -> str:
    """The message that a schema describes: ``HTTPRetry``, or ``VirtualService`` for the whole spec."""
    return str(schema.get("title", "this object")).removesuffix("Spec")


_FORMATS = {
    "duration": ("field.duration", "must be a duration such as 1.5s, 100ms or 1h"),
    "positive-duration": ("field.duration", "must be a duration of at least 1ms, such as 1.5s, 100ms or 1h"),
    "date-time": ("field.type", "must be a time such as 2026-11-21T03:49:00Z"),
}


def _expected(schema: dict[str, Any], validator: str) -> tuple[str, str]:
    """The code, and "must be ..." for what ``schema`` asks for."""
    wanted = schema.get("type")
    if schema.get("format") in _FORMATS:
        return _FORMATS[schema["format"]]
    if "enum" in schema:
        return "field.enum", f"must be {listed([str(value) for value in schema['enum']], 'or')}"
    if wanted == "integer":
        return "field.integer", f"must be a whole number{_bounds(schema)}"
    if wanted == "number":
        return ("field.type" if validator == "type" else "field.range"), f"must be a number{_bounds(schema)}"
    if validator in ("minLength", "minItems", "maxItems", "maxLength"):
        return "field.range", _size(schema)
    if validator == "pattern":
        return "field.pattern", f"must match {schema['pattern']}"
    return "field.type", f"must be {_type_words(schema)}"


def _type_words(schema: dict[str, Any]) -> str:
    """What values ``schema`` takes, as a noun."""
    words = {"string": "text", "array": "a list", "object": "a mapping", "boolean": "true or false"}
    words |= {"integer": "a whole number", "number": "a number"}
    branches = [branch.get("type") for branch in schema.get("anyOf", ())]
    wanted = branches or schema.get("type", "object")
    kinds = wanted if isinstance(wanted, list) else [wanted]
    return " or ".join(words.get(str(kind), "a mapping") for kind in kinds)


def _bounds(schema: dict[str, Any]) -> str:
    """The range of a number, where it has one that people would meet."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None and high < 2**31 - 1:
        return f" from {low} to {high}"
    if low is not None and low > -(2**31):
        return f" of at least {low}"
    return f" of at most {high}" if high is not None else ""


def _size(schema: dict[str, Any]) -> str:
    """How long a text or list may be."""
    if schema.get("type") == "string":
        return f"must have {schema.get('minLength', 0)} characters or more"
    low, high = schema.get("minItems"), schema.get("maxItems")
    return f"must have {low or 0} to {high} entries" if high else f"must have at least {low} entry"


def _hint(schema: dict[str, Any], value: Any) -> str:
    """What to change, where that is plain."""
    wanted = schema.get("type")
    if "duration" in str(schema.get("format")):
        return f": write a unit, such as {value}s" if re.fullmatch(r"[0-9]+(\.[0-9]+)?", str(value)) else ""
    if "enum" in schema:
        near = nearest(str(value), [str(name) for name in schema["enum"]])
        return f"; did you mean {near}?" if near else ""
    if wanted == "string" and isinstance(value, bool):
        return ": put it in quotes (YAML takes yes, no, on and off for booleans)"
    if wanted == "string" and isinstance(value, int | float):
        return ": put it in quotes"
    if wanted in ("integer", "number", "boolean") and isinstance(value, str):
        return ": take off the quotes" if value.strip().lstrip("-").isdigit() or value in ("true", "false") else ""
    return ": begin each entry with '- '" if wanted == "array" and not isinstance(value, list) else ""


def shown(value: Any) -> str:
    """``value`` as a message shows it: short, and telling text from numbers."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...") if value else "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    return "empty" if value is None else str(value)[:60]


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that ``name`` most likely means, in whatever case or style it was written; or None."""
    folded = {word.lower(): word for word in known}
    wanted = name.replace("_", "").replace("-", "").lower()
    if wanted in folded:
        return folded[wanted]
    close = difflib.get_close_matches(wanted, folded, n=1, cutoff=0.7)
    return folded[close[0]] if close else None


def listed(words: list[str], last: str) -> str:
    """The words with commas, and ``last`` before the last one."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else "none"
