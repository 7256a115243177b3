"""The features, found by their folders: whoever adds one adds a folder and nothing else."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import Any

from xds import translators
from xds.model.policy import Policy
from xds.translators.feature import Feature


@cache
def features() -> tuple[Feature[Any], ...]:
    """All features, in the order of their folders' names."""
    folders = sorted(module.name for module in pkgutil.iter_modules(translators.__path__) if module.ispkg)
    found: list[Feature[Any]] = []
    for folder in folders:
        found += import_module(f"{translators.__name__}.{folder}").FEATURES
    return tuple(found)


@cache
def _by_type() -> dict[type[Policy], Feature[Any]]:
    return {feature.policy: feature for feature in features()}


def by_policy(kind: type[Policy]) -> Feature[Any]:
    """The feature whose policy is of that type. Errors: KeyError when no folder exports one."""
    return _by_type()[kind]


@cache
def reads() -> tuple[str, ...]:
    """The fields that features read, as users know them (``VirtualService.spec.http[].retries``), sorted."""
    return tuple(sorted({path for feature in features() for path in feature.reads}))
