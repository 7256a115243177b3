"""What an API server asks of schemas, and of objects by them, as far as it goes without CEL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

ANYTHING = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING = "x-kubernetes-int-or-string"
KEYS = {
    *("type", "description", "properties", "required", "items", "additionalProperties", "nullable", "enum", "format"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"),
    *(ANYTHING, INT_OR_STRING, "x-kubernetes-validations"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
INNER = {"object": {"properties", "additionalProperties"}, "array": {"items"}}


def faults(schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What is not structural about ``schema``, or beyond what we want in it."""
    kind = schema.get("type")
    yield from (f"{path}: {key}" for key in schema.keys() - KEYS)
    if kind is None and not (schema.get(ANYTHING) or schema.get(INT_OR_STRING)):
        yield f"{path}: no type"
    inner = schema.keys() & {"properties", "additionalProperties", "items"}
    if inner - INNER.get(str(kind), set()) or len(inner) > 1:
        yield f"{path}: {inner} of {kind}"
    yield from (f"{path}: requires {name}" for name in schema.get("required", ()) if name not in schema["properties"])
    for rule in schema.get("x-kubernetes-validations", ()):
        if not rule["message"] or "\n" in rule["message"] or len(rule["message"]) > 2048:
            yield f"{path}: {rule}"
    for name, below in below_of(schema):
        yield from faults(below, f"{path}{name}")


def below_of(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas right below, with what they add to the path."""
    for name, below in schema.get("properties", {}).items():
        yield f".{name}", below
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield "[]", schema[key]


def validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """One that validates as an API server does: unknown fields are findings, null and int-or-string as it has them."""
    return Draft202012Validator(_translated(schema))


def _translated(schema: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: value for key, value in schema.items() if not key.startswith("x-")}
    if schema.get(INT_OR_STRING):
        return {"type": ["integer", "string"]}
    if schema.get("nullable"):
        made["type"] = [made["type"], "null"]
    if "properties" in schema:
        made["properties"] = {name: _translated(below) for name, below in schema["properties"].items()}
        made["additionalProperties"] = bool(schema.get(ANYTHING))
    for key in ("items", "additionalProperties"):
        if key in schema:
            made[key] = _translated(schema[key])
    return made
