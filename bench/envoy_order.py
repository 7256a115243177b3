"""The order in which a stock Envoy asks for its configuration, and when it has all of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bench.responses import Content
from xds.wire import type_urls as t

_NONE: Final[frozenset[str]] = frozenset()
_BEFORE_LISTENERS: Final = frozenset({t.CLUSTER, t.ENDPOINT, t.SECRET})


class Ask(NamedTuple):
    """Names of one type that are wanted from now on, or no more; neither is a wildcard subscription."""

    type_url: str
    wanted: frozenset[str] = _NONE
    unwanted: frozenset[str] = _NONE


@dataclass(slots=True)
class EnvoyOrder:
    """Clusters, their endpoints and secrets, listeners, their routes, virtual hosts: what one Envoy has asked for.

    The sets are shared between Envoys that are sent the same, which is what keeps a thousand of them small.
    """

    subscribed: dict[str, frozenset[str]] = field(default_factory=dict)
    waits: dict[str, frozenset[str]] = field(default_factory=dict)
    wildcards: set[str] = field(default_factory=lambda: {t.CLUSTER})
    listening: bool = False

    @property
    def synced(self) -> bool:
        """Whether everything asked for has come, so that a real Envoy would be live."""
        return self.listening and not self.waits

    def take(self, type_url: str, content: Content) -> list[Ask]:
        """What is asked for after a response of ``type_url``, besides its ACK."""
        self._arrived(type_url, content)
        asks: list[Ask] = []
        if type_url == t.CLUSTER:
            asks += self._subscribe(t.ENDPOINT, content.refers, content.removed)
            asks += self._subscribe(t.SECRET, content.secrets)
        elif type_url == t.LISTENER:
            self.listening = True
            asks += self._subscribe(t.ROUTE, content.refers)
            asks += self._subscribe(t.EXTENSION, content.extensions)
            asks += self._subscribe(t.SECRET, content.secrets)
        elif type_url == t.ROUTE and content.refers:
            known = self.subscribed.get(t.VIRTUAL_HOST, _NONE)
            self._subscribe(t.VIRTUAL_HOST, content.refers)
            asks += [] if known else self._wildcard(t.VIRTUAL_HOST)
        if type_url in _BEFORE_LISTENERS and not self.waits.keys() & _BEFORE_LISTENERS:
            asks += self._wildcard(t.LISTENER)
        return asks

    def _arrived(self, type_url: str, content: Content) -> None:
        waits = self.waits.get(type_url)
        if waits is None:
            return
        here = content.refers if type_url == t.VIRTUAL_HOST else content.names | content.removed
        if left := _NONE if here >= waits else waits - here:
            self.waits[type_url] = left
        else:
            del self.waits[type_url]

    def _subscribe(self, type_url: str, names: frozenset[str], gone: frozenset[str] = _NONE) -> list[Ask]:
        known = self.subscribed.get(type_url, _NONE)
        new = names - known if known else names
        old = known & gone if gone else _NONE
        if not new and not old:
            return []
        self.subscribed[type_url] = ((known | new) if known else new) - old
        self.waits[type_url] = (self.waits.get(type_url, _NONE) | new) - old
        if not self.waits[type_url]:
            del self.waits[type_url]
        return [Ask(type_url, new, old)]

    def _wildcard(self, type_url: str) -> list[Ask]:
        if type_url in self.wildcards:
            return []
        self.wildcards.add(type_url)
        return [Ask(type_url)]
