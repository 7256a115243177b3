"""Resources as bytes under a content hash, the immutable tables that hold them, and their differences."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar, overload

from google.protobuf.message import Message as ProtobufMessage

from xds.model.refs import ObjectRef
from xds.wire import protobuf
from xds.wire.difference import NOTHING, Difference
from xds.wire.messages import PlainMessage, identify, name_of
from xds.wire.references import refers_to

__all__ = ["EMPTY", "Difference", "Layers", "Resource", "ResourceSet", "Table", "difference", "find", "steps"]

_VERSION_BYTES: Final = 8
_T = TypeVar("_T")


class Resource:
    """One xDS resource, encoded once and shared by every stream that is sent it.

    ``body`` is the encoded message (the value of its Any), ``version`` the hash of body and name, so that it survives a
    restart; ``provenance`` the authored objects it was made from, sorted. ``delta_item`` is field 2 (resources) of a
    DeltaDiscoveryResponse and ``sotw_item`` field 2 of a DiscoveryResponse, tag and length included: a response is
    a head and these, joined.
    """

    __slots__ = ("__weakref__", "_refers_to", "body", "delta_item", "name", "provenance", "type_url", "version")

    def __init__(self, type_url: str, name: str, body: bytes, provenance: Iterable[ObjectRef] = ()) -> None:
        self.type_url = type_url
        self.name = name
        self.body = body
        self.provenance: tuple[ObjectRef, ...] = tuple(sorted(set(provenance)))
        digest = hashlib.blake2b(body, digest_size=_VERSION_BYTES, person=b"plait-resource")
        digest.update(name.encode())
        self.version = digest.hexdigest()
        self.delta_item = protobuf.field(2, _resource(self))
        self._refers_to: str | None = None

    @classmethod
    def of(
        cls, message: ProtobufMessage | PlainMessage, *, name: str = "", provenance: Iterable[ObjectRef] = ()
    ) -> Resource:
        """The resource that ``message`` is, of xds.api or of envoy-data-plane, under its own name unless given another.

        Errors: TypeError for what is no message, or has no name.
        """
        type_url, body = identify(message)
        return cls(type_url, name or name_of(message), body, provenance)

    @property
    def sotw_item(self) -> bytes:
        """The resource as field 2 of a DiscoveryResponse: an Any."""
        return protobuf.field(2, _any(self))

    @property
    def refers_to(self) -> str:
        """What must follow this resource on the wire: of an EDS cluster the name of its load assignment, of a route
        configuration with ``vhds`` its own name (the prefix of its virtual hosts); else ``""``.
        """
        if self._refers_to is None:
            self._refers_to = refers_to(self.type_url, self.name, self.body)
        return self._refers_to

    def same(self, other: Resource | None) -> bool:
        """Whether ``other`` would put the same bytes on the wire."""
        return other is not None and (self is other or (self.version == other.version and self.name == other.name))

    def __repr__(self) -> str:
        return f"Resource({self.type_url.rpartition('.')[2]} {self.name} @{self.version})"


def _any(resource: Resource) -> bytes:
    return protobuf.field(1, resource.type_url.encode()) + protobuf.field(2, resource.body)


def _resource(resource: Resource) -> bytes:
    version, body, name = resource.version.encode(), _any(resource), resource.name.encode()
    return protobuf.field(1, version) + protobuf.field(2, body) + protobuf.field(3, name)


class Table(Mapping[str, Resource]):
    """An immutable set of resources of one type by name. Compared by identity: an unchanged part stays the same."""

    __slots__ = ("__weakref__", "_changes", "_differences", "_parent", "_resources", "_touched", "_versions")

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self._resources: dict[str, Resource] = {r.name: r for r in sorted(resources, key=lambda r: r.name)}
        self._parent: weakref.ref[Table] | None = None
        self._changes: Difference | None = None
        self._touched: frozenset[str] = frozenset()
        self._differences: weakref.WeakKeyDictionary[Table, Difference] | None = None
        self._versions: dict[str, str] | None = None

    def __getitem__(self, name: str) -> Resource:
        return self._resources[name]

    @overload
    def get(self, name: str, /) -> Resource | None: ...
    @overload
    def get(self, name: str, /, default: Resource) -> Resource: ...
    @overload
    def get(self, name: str, /, default: _T) -> Resource | _T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """As a dictionary's, and as fast."""
        return self._resources.get(name, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)

    def __contains__(self, name: object) -> bool:
        return name in self._resources

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def patched(self, changes: Mapping[str, Resource | None]) -> Table:
        """This table with ``changes`` applied (None removes); the same table when nothing would be different.

        What has the same bytes from other objects is taken over, and is no difference. Cost: a copy of the dictionary,
        and the size of the change; the difference from this table is kept ready-made.
        """
        other = {name: new for name, new in changes.items() if not _alike(self._resources.get(name), new)}
        if not other:
            return self
        real = {name: new for name, new in other.items() if not _equal(self._resources.get(name), new)}
        table = Table()
        merged = dict(self._resources)
        for name in sorted(other):
            new = other[name]
            if new is None:
                del merged[name]
            else:
                merged[name] = new
        table._resources = merged
        table._parent = weakref.ref(self)
        table._touched = frozenset(other)
        table._changes = Difference.of(
            [new for new in real.values() if new is not None], [name for name, new in real.items() if new is None]
        )
        return table

    def touched_since(self, before: Table) -> frozenset[str]:
        """The names under which something else stands than in ``before``, be it only what it was made from."""
        if self is before:
            return frozenset()
        if self._parent is not None and self._parent() is before:
            return self._touched
        names = before._resources.keys() | self._resources.keys()
        return frozenset(name for name in names if before.get(name) is not self.get(name))

    def since(self, old: Table) -> Difference:
        """What must be sent to who holds ``old``; made once per pair of tables and kept while both live."""
        if old is self:
            return NOTHING
        if self._differences is None:
            self._differences = weakref.WeakKeyDictionary()
        known = self._differences.get(old)
        if known is None:
            if self._parent is not None and self._parent() is old and self._changes is not None:
                known = self._changes
            else:
                known = _compare(old, self)
            self._differences[old] = known
        return known

    @property
    def everything(self) -> Difference:
        """What must be sent to who holds nothing: all resources."""
        return self.since(EMPTY)

    def selected(self, names: frozenset[str]) -> Difference:
        """What must be sent of ``names`` to who holds nothing of them."""
        if len(names) * 8 > len(self._resources):
            return self.everything.within(names)
        return Difference.of([self._resources[name] for name in names if name in self._resources])

    @property
    def versions(self) -> dict[str, str]:
        """The version of every resource by name; not to be changed."""
        if self._versions is None:
            self._versions = {name: resource.version for name, resource in self._resources.items()}
        return self._versions

    @property
    def version(self) -> str:
        """A hash of all names and versions."""
        return self.everything.digest.hex()


def _equal(old: Resource | None, new: Resource | None) -> bool:
    return old is None if new is None else new.same(old)


def _alike(old: Resource | None, new: Resource | None) -> bool:
    return _equal(old, new) and (old is None or new is None or old.provenance == new.provenance)


def _compare(old: Table, new: Table) -> Difference:
    before, after = old._resources, new._resources
    return Difference.of([r for n, r in after.items() if not r.same(before.get(n))], before.keys() - after.keys())


EMPTY: Final = Table()

Layers = tuple[Table, ...]


class ResourceSet:
    """Everything one proxy may be sent: per type URL a tuple of tables (layers) whose names do not overlap.

    Layers are how proxies share: what is the same for many proxies is one table in all of their sets, and the
    difference between two generations of it is made once for all of them.
    """

    __slots__ = ("__weakref__", "layers")

    def __init__(self, layers: Mapping[str, Layers]) -> None:
        self.layers = dict(layers)

    def of(self, type_url: str) -> Layers:
        """The layers of one type; none when the set has no such resource."""
        return self.layers.get(type_url, ())

    def get(self, type_url: str, name: str) -> Resource | None:
        """The resource of that type and name, if there is one."""
        return find(self.of(type_url), name)

    @classmethod
    def single(cls, resources: Iterable[Resource]) -> ResourceSet:
        """A set of one layer a type, from resources of any types."""
        by_type: dict[str, list[Resource]] = {}
        for resource in resources:
            by_type.setdefault(resource.type_url, []).append(resource)
        return cls({url: (Table(found),) for url, found in sorted(by_type.items())})


def find(layers: Layers, name: str) -> Resource | None:
    """The resource of that name in any of ``layers``."""
    for table in layers:
        found = table.get(name)
        if found is not None:
            return found
    return None


def steps(old: Layers, new: Layers) -> tuple[Difference, ...]:
    """What turns the layers ``old`` into ``new``: the differences of single layers, so that each one's bytes are
    shared.

    No name is in two of them.
    """
    width = max(len(old), len(new))
    old = old + (EMPTY,) * (width - len(old))
    new = new + (EMPTY,) * (width - len(new))
    found = [after.since(before) for before, after in zip(old, new, strict=True) if after is not before]
    found = [part for part in found if part]
    if len(found) > 1 and any(part.removed for part in found):  # a name may have moved from layer to layer
        return (_joined(found, old, new),)
    return tuple(found)


def _joined(parts: Iterable[Difference], old: Layers, new: Layers) -> Difference:
    changed = {resource.name: resource for part in parts for resource in part.changed}
    removed = {name for part in parts for name in part.removed if find(new, name) is None}
    return Difference.of([r for name, r in changed.items() if not r.same(find(old, name))], removed)


def difference(old: Layers, new: Layers) -> Difference:
    """What turns the layers ``old`` into ``new``, as one; ready-made where only one layer's pair differs."""
    parts = steps(old, new)
    if not parts:
        return NOTHING
    if len(parts) == 1:
        return parts[0]
    return Difference.of([resource for part in parts for resource in part.changed])
