"""Which namespaces a revision serves, by its webhooks and the namespaces' labels; and what is removed with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from xds.install.objects import TAG
from xds.model.injection import NAMESPACE_INJECTION, REVISION
from xds.model.revision import DEFAULT_REVISION

Object = Mapping[str, Any]

_ENABLED: Final = "enabled"


def words_of(revision: str, injectors: Iterable[Object]) -> tuple[str, ...]:
    """The words (revision, tags) whose webhook leads to ``revision``."""
    found = {_word(each) for each in injectors if _labels(each).get(REVISION) == revision}
    return tuple(sorted(found))


def users(words: Iterable[str], namespaces: Iterable[Object]) -> tuple[str, ...]:
    """The names of the namespaces that name one of ``words``, or no revision where ``default`` is one of them."""
    wanted = frozenset(words)
    return tuple(sorted(each["metadata"]["name"] for each in namespaces if _named(each) in wanted))


def tags(injectors: Iterable[Object]) -> dict[str, str]:
    """The revision of each tag."""
    found = {_labels(each)[TAG]: _labels(each).get(REVISION, "") for each in injectors if TAG in _labels(each)}
    return dict(sorted(found.items()))


def moved_away(injector: Object, revision: str) -> bool:
    """Whether a tag has given this webhook of ``revision`` to another one."""
    return TAG in _labels(injector) and _labels(injector).get(REVISION) != revision


def _word(injector: Object) -> str:
    labels = _labels(injector)
    return labels.get(TAG) or labels.get(REVISION, "")


def _named(namespace: Object) -> str:
    """The word that a namespace has its pods injected by; empty: none. The older label wins, as in Istio."""
    labels = _labels(namespace)
    if NAMESPACE_INJECTION in labels:
        return DEFAULT_REVISION if labels[NAMESPACE_INJECTION] == _ENABLED else ""
    return labels.get(REVISION, "")


def _labels(each: Object) -> Mapping[str, str]:
    return each["metadata"].get("labels") or {}
