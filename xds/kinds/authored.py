"""The bases of all kinds: what an API object carries beside its spec, and how strictly it is read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import field

from xds.kinds.quantities import Labels, about


@dataclass(frozen=True, slots=True)
class Kind:
    """What the API calls a kind: its group (``""`` for core), the versions that we read, the newest first."""

    group: str
    name: str
    versions: tuple[str, ...]
    plural: str
    short: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def api_versions(self) -> tuple[str, ...]:
        """``group/version`` for each version, as ``apiVersion`` has it."""
        return tuple(f"{self.group}/{version}" if self.group else version for version in self.versions)


class Strict(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """A message whose unknown fields are errors: all of Istio's."""


class Lenient(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A message that holds the fields which we read and skips the others: all of Kubernetes' own."""


class OwnerReference(Lenient, frozen=True, kw_only=True):
    """The object that made another and takes it along when it goes."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMeta(Lenient, frozen=True, kw_only=True):
    """What every API object carries. ``resourceVersion`` is kept in the object's origin, not here: it is no content."""

    name: Annotated[str, about("Name, unique among the objects of a kind in a namespace.")] = ""
    namespace: Annotated[str, about("Namespace; `default` where a manifest has none.")] = ""
    labels: Annotated[Labels, about("Words to select objects by.")] = field(default_factory=dict)
    annotations: Annotated[Labels, about("Words that tools leave on the object.")] = field(default_factory=dict)
    generation: Annotated[int, about("Counts the changes of the spec.")] = 0
    uid: Annotated[
        str,
        about("Identity of this object, unlike that of a later one of the same name."),
    ] = ""
    creation_timestamp: Annotated[datetime | None, about("When it was made; the oldest of rivals wins.")] = None
    deletion_timestamp: Annotated[datetime | None, about("When it will be gone; set while it is going.")] = None
    owner_references: Annotated[tuple[OwnerReference, ...], about("The objects that made this one.")] = ()


class Authored(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
    omit_defaults=True,
):
    """An API object of Istio's kinds as users write it: unknown fields are errors."""

    KIND: ClassVar[Kind]

    api_version: Annotated[str, about("Group and version.")] = ""
    kind: Annotated[str, about("Kind.")] = ""
    metadata: Annotated[ObjectMeta, about("Name, namespace, labels.")]


class Stored(Authored, forbid_unknown_fields=False, frozen=True, kw_only=True):
    """An API object of Kubernetes' own kinds: fields that we do not read are skipped."""


class LabelSelectorRequirement(Lenient, frozen=True, kw_only=True):
    """One condition on a label."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class LabelSelector(Lenient, frozen=True, kw_only=True):
    """Which objects are meant, by their labels; all conditions must hold."""

    match_labels: Annotated[Labels, about("Labels that must have exactly these values.")] = field(default_factory=dict)
    match_expressions: Annotated[tuple[LabelSelectorRequirement, ...], about("Conditions on labels.")] = ()


Anything = Any
"""A field that is carried but not read."""
