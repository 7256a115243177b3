"""Objects for tests, from the plain form that users write."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from xds.decoders.build import Builder, Change
from xds.decoders.shape.decode import Place, decode_object
from xds.kinds.authored import Authored
from xds.model.object import Object
from xds.model.refs import ObjectRef, Origin
from xds.slices import at_once

HERE = Place(Origin("test.yaml", 1))


def made(plain: dict[str, Any]) -> Object[Authored]:
    """The object of one manifest. AssertionError when it has a fault."""
    decoded = decode_object(plain, HERE)
    assert len(decoded.objects) == 1, decoded.problems
    return decoded.objects[0]


def written(text: str) -> list[Object[Authored]]:
    """The objects of manifests as YAML."""
    return [made(plain) for plain in yaml.safe_load_all(text) if plain]


def applied(builder: Builder, objects: Iterable[Object[Any]], deletes: Iterable[ObjectRef] = ()) -> Change:
    """The change that these objects make."""
    return at_once(builder.apply([(each.ref, each.struct) for each in objects], deletes))
