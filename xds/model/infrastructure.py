"""What the author of a Gateway may say of the pods that are made for it."""

from __future__ import annotations

from typing import Final

_PLAIN_DOMAINS: Final = ("prometheus.io",)


def is_plain(annotation: str) -> bool:
    """Whether a Gateway's author may put an annotation on its pods and account: one that nobody acts upon.

    Others give a pod rights in a cloud, networks, or further containers.
    """
    domain, slash, _ = annotation.rpartition("/")
    return not slash or domain in _PLAIN_DOMAINS
