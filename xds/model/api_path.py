"""Paths of the Kubernetes API."""

from __future__ import annotations

from urllib.parse import quote


def root(group: str, version: str) -> str:
    """The path of a group's version."""
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def collection(group: str, version: str, plural: str, namespace: str = "") -> str:
    """The path of all objects of a kind, in one namespace or in all."""
    where = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    return f"{root(group, version)}{where}/{plural}"


def item(parent: str, name: str) -> str:
    """The path of the object of that name in the collection ``parent``."""
    return f"{parent}/{quote(name, safe='')}"
