"""Manifests as one YAML text, as people write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import yaml

_STRING: Final = "tag:yaml.org,2002:str"


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, whatever is shared among the values; texts of several lines as they are."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """The text, as a block where it has lines."""
        return self.represent_scalar(_STRING, text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _Dumper.represent_text)


def yaml_text(documents: Iterable[dict[str, Any]]) -> str:
    """One document after the other, each with its mark in front; keys stay in their order."""
    return "".join(f"---\n{document_text(each)}" for each in documents)


def document_text(document: Any) -> str:
    """One document without its mark."""
    found: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return found
