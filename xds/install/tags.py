"""Revision tags: names for revisions, so that namespaces name what may move (``prod``) and not where it is today."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from xds.install import injector, validator
from xds.install.access import bound
from xds.install.objects import TAG, Json, labels
from xds.install.values import Values
from xds.model.revision import DEFAULT_REVISION

_RBAC: Final = "rbac.authorization.k8s.io/v1"


def tag_webhook(tag: str, revision: str, values: Values) -> Json:
    """The webhook that sends who names ``tag`` to that revision; tag ``default``: who names none."""
    return injector.tagged(tag, _of(revision, values))


def tag_objects(tag: str, revision: str, values: Values) -> tuple[Json, ...]:
    """All that makes a tag: that revision's leave to write its CA bundle into webhooks, and these.

    The tag ``default`` has objects without a revision validated there too.
    """
    chosen = _of(revision, values)
    name = f"plait-tag-{tag}-{chosen.namespace}"
    metadata = {"name": name, "labels": labels(chosen, **{TAG: tag})}
    rules = [_patch(injector.PLURAL, injector.name(chosen, tag))]
    webhooks = [tag_webhook(tag, revision, chosen)]
    if tag == DEFAULT_REVISION:
        rules.append(_patch(validator.PLURAL, validator.default_name(chosen)))
        webhooks.append(validator.tagged_default(chosen))
    return (
        {"apiVersion": _RBAC, "kind": "ClusterRole", "metadata": metadata, "rules": rules},
        {"apiVersion": _RBAC, "kind": "ClusterRoleBinding", "metadata": metadata, **bound(chosen, name)},
        *webhooks,
    )


def _patch(plural: str, name: str) -> Json:
    return {"apiGroups": [injector.GROUP], "resources": [plural], "verbs": ["patch"], "resourceNames": [name]}


def _of(revision: str, values: Values) -> Values:
    return replace(values, revision=revision)
