"""Names of the pods that a workload's template makes. Pure: the same template gives the same names in every run."""

from __future__ import annotations

import hashlib
from typing import Final

# Kubernetes' alphabet for generated names: no vowels and no characters that look alike, so no words come out.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_NAME_LIMIT: Final = 63


def pod_names(kind: str, namespace: str, name: str, replicas: int, template: bytes) -> tuple[str, ...]:
    """The names of ``replicas`` pods of a workload.

    Shape:   ``web-7c9f4d8b5-x2x4q`` for a Deployment, ``web-x2x4q`` for a Job, ``web-0`` for a StatefulSet.
    Units:   ``template`` is any encoding of the pod template: another template gives a Deployment's pods other names.
    """
    if kind == "StatefulSet":
        return tuple(f"{name}-{index}" for index in range(replicas))
    if kind == "Pod":
        return (name,)
    stem = name[: _NAME_LIMIT - 17]
    if kind == "Deployment":
        stem = f"{stem}-{_word(10, b'template', namespace.encode(), name.encode(), template)}"
    return tuple(f"{stem}-{_word(5, stem.encode(), template, str(index).encode())}" for index in range(replicas))


def _word(length: int, *parts: bytes) -> str:
    digest = hashlib.blake2b(b"\0".join(parts), digest_size=length).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest)
