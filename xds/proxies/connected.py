"""The proxies that are connected: who they are, whether they are let in, and who has to know of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from ca.errors import CaError
from xds.callers.caller import Caller
from xds.identity.admission import counted_as, seconds_left
from xds.model.proxy import Proxy
from xds.proxies.comings import Comings
from xds.proxies.presence import Presence, group_of
from xds.server import Admission, Denied, Node, Peer, Reason, Reporter


class Connected:
    """Lets proxies in, by their group: the name of the set that each is served.

    ``caller`` says who is at the other end of a connection; ``connect`` gives a proxy what it is served; while
    ``without_secrets`` routers are refused.
    """

    def __init__(
        self,
        comings: Comings,
        present: Presence,
        caller: Callable[[Peer], Awaitable[Caller | None]],
        connect: Callable[[Proxy], Awaitable[None]],
        without_secrets: Callable[[], bool],
    ) -> None:
        self._comings = comings
        self._present = present
        self._caller = caller
        self._connect = connect
        self._without_secrets = without_secrets
        self._groups: dict[str, Proxy] = {}
        self.arrivals: list[Callable[[Proxy, Peer], None]] = []
        """Told of each stream of a proxy that begins, and of its first request."""

    def of(self, group: str) -> Proxy | None:
        """The proxy that is served the set of that name."""
        return self._groups.get(group)

    def all(self) -> Iterable[Proxy]:
        """Those that are there, and those that may come back within some seconds."""
        return self._groups.values()

    async def admit(self, node: Node, peer: Peer) -> Admission:
        """What a proxy whose stream begins is served. Errors: Denied."""
        caller = await self._caller(peer)
        proxy = self._comings.proxy(node, peer, caller)
        if proxy.kind == "router" and self._without_secrets():
            raise Denied("its certificates are not known while the source is away", Reason.UNAVAILABLE)
        self._present.arrived(proxy)
        admission = Admission(group_of(proxy), seconds_left(caller), counted_as(caller, node, peer))
        self._groups[admission.group] = proxy
        self._comings.came(proxy)
        for told in self.arrivals:
            told(proxy, peer)
        try:
            await self._connect(proxy)
        except BaseException as error:
            self.released(node, peer, admission)
            if isinstance(error, CaError):
                raise Denied(f"no certificate can be issued: {error}", Reason.UNAVAILABLE) from error
            raise
        return admission

    async def reporter(self, node: Node, peer: Peer) -> Reporter[Proxy]:
        """Who reports, and for how long it is believed. Errors: Denied."""
        caller = await self._caller(peer)
        proxy = self._comings.proxy(node, peer, caller)
        return Reporter(proxy, seconds_left(caller), counted_as(caller, node, peer))

    def asked(self, group: str, names: frozenset[str]) -> None:
        """The proxy of that group asks for these virtual hosts."""
        proxy = self._groups.get(group)
        if proxy is not None:
            self._comings.asked(proxy, names)

    def released(self, node: Node, peer: Peer, admission: Admission) -> None:
        """A stream that was admitted has ended."""
        self._present.left(self._groups[admission.group])
        self._comings.left(self._groups[admission.group])

    def forget(self, proxy: Proxy) -> None:
        """The proxy will not come back."""
        self._groups.pop(group_of(proxy), None)
