"""Revision tags: names for revisions, so that namespaces name what may move (``prod``) and not where it is today."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from xds.install import injector
from xds.install.access import bound
from xds.install.objects import TAG, Json, labels
from xds.install.values import Values

_RBAC: Final = "rbac.authorization.k8s.io/v1"


def tag_webhook(tag: str, revision: str, values: Values) -> Json:
    """The webhook that sends who names ``tag`` to that revision; tag ``default``: who names none."""
    return injector.tagged(tag, _of(revision, values))


def tag_objects(tag: str, revision: str, values: Values) -> tuple[Json, ...]:
    """All that makes a tag: that revision's leave to write its CA bundle into the webhook, and the webhook."""
    chosen = _of(revision, values)
    name = f"plait-tag-{tag}-{chosen.namespace}"
    metadata = {"name": name, "labels": labels(chosen, **{TAG: tag})}
    rule = {
        "apiGroups": [injector.GROUP],
        "resources": [injector.PLURAL],
        "verbs": ["patch"],
        "resourceNames": [injector.name(chosen, tag)],
    }
    return (
        {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
        {"apiVersion": _RBAC, "kind": "ClusterRoleBinding", "metadata": metadata, **bound(chosen, name)},
        tag_webhook(tag, revision, chosen),
    )


def _of(revision: str, values: Values) -> Values:
    return replace(values, revision=revision)
