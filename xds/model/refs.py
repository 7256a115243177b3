"""Names: of an API object, of a field in it, and of the place where it was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """The name of an API object.

    Shape: ``group`` is the API group without version (``""`` for core), ``namespace`` is ``""`` for cluster scope,
    ``cluster`` is the id of the remote cluster that has it, ``""`` for the one that configuration comes from.
    """

    group: str
    kind: str
    namespace: str
    name: str
    cluster: str = ""

    def plain(self) -> dict[str, str]:
        """The name by its parts, and whole under ``object``, as pages tell it: JSON types."""
        parts = {"group": self.group, "kind": self.kind, "namespace": self.namespace, "name": self.name}
        return {"object": str(self), **parts}

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        of = f" of cluster {self.cluster}" if self.cluster else ""
        return f"{self.kind} {where}{self.name}{of}"


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The name of a field of an object, as a path of keys and indices from the object's root."""

    object: ObjectRef
    path: tuple[str | int, ...] = ()

    def __truediv__(self, step: str | int) -> FieldRef:
        """The field one step below; dotted text is several steps (``at / "http" / 0 / "retries.attempts"``)."""
        if isinstance(step, int):
            return FieldRef(self.object, (*self.path, step))
        return FieldRef(self.object, (*self.path, *step.split(".")))

    @property
    def dotted(self) -> str:
        """The path as users write it: ``spec.http[0].retries``; a key with a dot in it is quoted."""
        text = ""
        for step in self.path:
            if isinstance(step, int):
                text += f"[{step}]"
            elif "." in step or "/" in step:
                text += f'["{step}"]'
            else:
                text += f".{step}" if text else step
        return text

    def key(self, name: str) -> FieldRef:
        """The field under a map key that is taken whole, dots and all (an annotation, a label)."""
        return FieldRef(self.object, (*self.path, name))

    def __str__(self) -> str:
        return f"{self.object} {self.dotted}" if self.path else str(self.object)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an object was read: a file and the line its document starts at, or a source and its resourceVersion."""

    source: str
    line: int = 0
    resource_version: str = ""

    def __str__(self) -> str:
        if self.line:
            return f"{self.source}:{self.line}"
        return f"{self.source}@{self.resource_version}" if self.resource_version else self.source
