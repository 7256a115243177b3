"""What a change does to proxies: the effects of all that differs between what each has and what it is to have."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from xds.planner.effect import Effect, effect
from xds.wire.resource import Layers, Resource, ResourceSet, difference, find
from xds.wire.type_urls import ADS_ORDER, LISTENER

P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Planned(Generic[P]):
    """Proxies to which the same happens, and what: the effects in the order in which types are sent."""

    proxies: tuple[P, ...]
    effects: tuple[Effect, ...]


class Effects:
    """The effects of resources that become others, each worked out once however many proxies share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Effect] = {}

    def between(self, before: Layers, after: Layers) -> Iterator[Effect]:
        """Those of one type's tables, by name."""
        if all(one is other for one, other in zip(before, after, strict=False)) and len(before) == len(after):
            return
        found = difference(before, after)
        names = sorted({*(each.name for each in found.changed), *found.removed})
        for name in names:
            yield self._of(name, find(before, name), find(after, name))

    def _of(self, name: str, before: Resource | None, after: Resource | None) -> Effect:
        old, new = (each.version if each is not None else "" for each in (before, after))
        key = (name, old, new)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = effect(before, after)
        return known


def plan(before: Mapping[P, ResourceSet], after: Mapping[P, ResourceSet]) -> tuple[Planned[P], ...]:
    """What happens to the proxies that are in both, grouped by what it is; those to which nothing does left out."""
    known = Effects()
    groups: dict[tuple[int, ...], tuple[tuple[Effect, ...], list[P]]] = {}
    for proxy, old in before.items():
        new = after.get(proxy)
        if new is None:
            continue
        found = tuple(each for url in _types(old, new) for each in known.between(old.of(url), new.of(url)))
        if found:
            groups.setdefault(tuple(map(id, found)), (found, []))[1].append(proxy)
    return tuple(Planned(tuple(proxies), effects) for effects, proxies in groups.values())


def _types(old: ResourceSet, new: ResourceSet) -> Iterable[str]:
    present = old.layers.keys() | new.layers.keys()
    return [url for url in ADS_ORDER if url in present]


def drains(before: ResourceSet, after: ResourceSet, known: Effects | None = None) -> tuple[Effect, ...]:
    """Those effects that cut connections of callers, once the drain time is over."""
    found = (known or Effects()).between(before.of(LISTENER), after.of(LISTENER))
    return tuple(each for each in found if each.way.drains)
