"""What Envoy does when one resource of its configuration comes, goes or becomes another.

Source: envoy-facts 3 (listeners), 7 (clusters), 1, 2, 4 (what never drains); tests/envoy/test_planner.py asks Envoy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from google.protobuf.message import DecodeError

from xds.api.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.model.refs import ObjectRef
from xds.planner.fields import FieldChange, field_changes
from xds.wire.codec import encode, to_plain
from xds.wire.resource import Resource
from xds.wire.type_urls import CLUSTER, LISTENER, SECRET, short

_DEFAULT: Final = "default_filter_chain"
# Envoy changes these of a listener in its place; of the chains only those that differ drain.
_IN_PLACE: Final = ("filter_chains", _DEFAULT, "filter_chain_matcher", "connection_balance_config")


class Way(Enum):
    """How Envoy goes from one to the other, the worst first."""

    LISTENER_REPLACED = "listener replaced"
    LISTENER_REMOVED = "listener removed"
    CHAINS_DRAIN = "filter chains drain"
    CLUSTER_REPLACED = "cluster replaced"
    CLUSTER_REMOVED = "cluster removed"
    IN_PLACE = "in place"

    @property
    def drains(self) -> bool:
        """Whether connections of callers are cut when the drain time is over."""
        return self in _DRAINING


_DRAINING: Final = frozenset({Way.LISTENER_REPLACED, Way.LISTENER_REMOVED, Way.CHAINS_DRAIN})


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """What one resource's change does. ``before`` or ``after`` is None where it comes or goes.

    ``chains`` are the names of the filter chains that drain, of ``of_chains`` that there were; ``because`` the fields
    that make them.
    """

    type_url: str
    name: str
    before: Resource | None
    after: Resource | None
    way: Way = Way.IN_PLACE
    chains: tuple[str, ...] = ()
    of_chains: int = 0
    because: tuple[FieldChange, ...] = ()

    @property
    def type(self) -> str:
        """The short name of the type: ``lds``."""
        return short(self.type_url)

    @property
    def authors(self) -> tuple[ObjectRef, ...]:
        """The objects that the resource is made from: those that are new to it, or gone from it, where there are."""
        old = frozenset(self.before.provenance) if self.before is not None else frozenset()
        new = frozenset(self.after.provenance) if self.after is not None else frozenset()
        return tuple(sorted(old ^ new if self.before and self.after and old != new else old | new))

    def authors_among(self, changed: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Those of the changed objects that the resource was or is made from; ``authors`` where none is."""
        sides = [each for each in (self.before, self.after) if each is not None]
        known = {ref for each in sides for ref in each.provenance}
        return tuple(sorted(known.intersection(changed))) or self.authors

    def said(self, changed: Iterable[ObjectRef] = ()) -> str:
        """One sentence: what happens, for which field, by which object."""
        text = f"{_KINDS.get(self.type_url, self.type)} {self.name}: {self._what()}"
        fields = [str(each) for each in self.because[:_MOST_FIELDS]]
        if len(self.because) > _MOST_FIELDS:
            fields.append(f"{len(self.because) - _MOST_FIELDS} more")
        text += f", as {', '.join(fields)}" if fields else ""
        authors = [str(each) for each in self.authors_among(changed)[:_MOST_FIELDS]]
        return f"{text} ({', '.join(authors)})" if authors else text

    def _what(self) -> str:
        if self.way is not Way.CHAINS_DRAIN:
            return _SAID[self.way]
        shown = ", ".join(self.chains[:_MOST_FIELDS]) + (", ..." if len(self.chains) > _MOST_FIELDS else "")
        return f"connections on {len(self.chains)} of {self.of_chains} filter chains drain ({shown})"


_MOST_FIELDS: Final = 3
_KINDS: Final = {LISTENER: "listener", CLUSTER: "cluster"}
_SAID: Final = {
    Way.LISTENER_REPLACED: "all its connections drain",
    Way.LISTENER_REMOVED: "goes, all its connections drain",
    Way.CLUSTER_REPLACED: "idle connections to its endpoints are closed",
    Way.CLUSTER_REMOVED: "goes, idle connections to its endpoints are closed",
    Way.IN_PLACE: "no connection is touched",
}


def effect(before: Resource | None, after: Resource | None) -> Effect:
    """What happens when ``before`` becomes ``after``. Errors: ValueError when there is neither."""
    either = after if after is not None else before
    if either is None:
        raise ValueError("nothing becomes nothing")
    plain = Effect(either.type_url, either.name, before, after)
    if before is None or before.same(after):
        return plain
    if either.type_url == LISTENER:
        return _listener(plain, before, after)
    if either.type_url == CLUSTER:
        way = Way.CLUSTER_REMOVED if after is None else Way.CLUSTER_REPLACED
        return Effect(*_names(plain), way, because=changes(before, after))
    return plain


def counted_as(listener: Resource) -> str:
    """The name under which Envoy counts what happens on a listener: ``0.0.0.0_80``."""
    message = Listener.FromString(listener.body)
    address = message.address.socket_address
    return message.stat_prefix or f"{address.address}_{address.port_value}"


def changes(before: Resource | None, after: Resource | None) -> tuple[FieldChange, ...]:
    """The fields that differ; none where one of the two is missing, and none of secrets."""
    if before is None or after is None or before.type_url == SECRET:
        return ()
    return field_changes(_plain(before), _plain(after))


def _plain(resource: Resource) -> dict[str, Any]:
    try:
        return to_plain((resource.type_url, resource.body))
    except (DecodeError, KeyError):
        return {"": resource.version}


def _names(plain: Effect) -> tuple[str, str, Resource | None, Resource | None]:
    return plain.type_url, plain.name, plain.before, plain.after


def _listener(plain: Effect, before: Resource, after: Resource | None) -> Effect:
    old = Listener.FromString(before.body)
    count = len(_chains(old))
    if after is None:
        return Effect(*_names(plain), Way.LISTENER_REMOVED, of_chains=count)
    new = Listener.FromString(after.body)
    skeleton = field_changes(_without_chains(old), _without_chains(new))
    if skeleton:
        return Effect(*_names(plain), Way.LISTENER_REPLACED, of_chains=count, because=skeleton)
    draining = _gone(old, new)
    because = tuple(change for name, chain in draining for change in _why(name, chain, new))
    if not new.filter_chains:  # none but a default chain: Envoy changes that in its place for nobody
        return Effect(*_names(plain), Way.LISTENER_REPLACED, of_chains=count, because=because)
    if not draining:
        return Effect(*_names(plain), of_chains=count)
    return Effect(*_names(plain), Way.CHAINS_DRAIN, tuple(name for name, _ in draining), count, because)


def _without_chains(listener: Listener) -> dict[str, Any]:
    bare = Listener()
    bare.CopyFrom(listener)
    for field in _IN_PLACE:
        bare.ClearField(field)
    return to_plain(bare)


def _chains(listener: Listener) -> list[tuple[str, FilterChain]]:
    found = [(chain.name or f"filter_chains[{number}]", chain) for number, chain in enumerate(listener.filter_chains)]
    if listener.HasField(_DEFAULT):
        found.append((_DEFAULT, listener.default_filter_chain))
    return found


def _gone(old: Listener, new: Listener) -> list[tuple[str, FilterChain]]:
    """The chains of ``old`` of which ``new`` has no equal: a chain lives on as it is, or drains."""
    left = Counter(_identity(name, chain) for name, chain in _chains(new))
    found = []
    for name, chain in _chains(old):
        key = _identity(name, chain)
        if left[key]:
            left[key] -= 1
        else:
            found.append((name, chain))
    return found


def _identity(name: str, chain: FilterChain) -> tuple[bool, bytes]:
    return name == _DEFAULT, encode(chain)


def _why(name: str, chain: FilterChain, new: Listener) -> list[FieldChange]:
    successor = next((each for known, each in _chains(new) if known == name), None)
    if successor is None:
        return [FieldChange(name, to_plain(chain), None)]
    found = field_changes(to_plain(chain), to_plain(successor))
    return [change._replace(path=f"{name}.{change.path}") for change in found]
