"""Definitions as one YAML text, for people and for ``kubectl apply -f``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml


class _Plain(yaml.SafeDumper):
    """YAML without anchors, whatever is shared among the values."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def yaml_text(documents: Iterable[dict[str, Any]]) -> str:
    """One document after the other, each with its mark in front; keys stay in their order."""
    return "".join(
        "---\n" + yaml.dump(each, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120) for each in documents
    )
