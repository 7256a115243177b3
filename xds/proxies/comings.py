"""Proxies' comings and goings, as far as they change the mesh itself: what is asked for, and machines that join."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from xds.callers.caller import Caller
from xds.identity.admission import proxy_of
from xds.machines.machines import Machines
from xds.model.on_demand import asked_by
from xds.model.proxy import Proxy
from xds.model.snapshot import Snapshot
from xds.server import Node, Peer
from xds.sources.changes import Source
from xds.sources.demands import Demands


class Comings:
    """What is told of each stream's begin and end; its ``sources`` say what follows."""

    def __init__(self, snapshot: Callable[[], Snapshot], expiry: timedelta = timedelta()) -> None:
        self.demands = Demands(expiry=expiry)
        self.machines = Machines(snapshot)
        self.sources: tuple[Source, ...] = (self.demands, self.machines)

    def proxy(self, node: Node, peer: Peer, caller: Caller | None) -> Proxy:
        """The proxy that a node says it is, as its group makes it where it names one. Errors: Denied."""
        return self.machines.member(proxy_of(node, peer, caller), caller)

    def came(self, proxy: Proxy) -> None:
        """A stream of the proxy has begun. Errors: Denied; then nothing has."""
        self.machines.came(proxy)
        self.demands.came(asked_by(proxy))

    def left(self, proxy: Proxy) -> None:
        """A stream of the proxy has ended."""
        self.machines.left(proxy)
        self.demands.left(asked_by(proxy))

    def asked(self, proxy: Proxy, names: Iterable[str]) -> None:
        """The proxy asks for these names, ``PORT/HOST`` each."""
        self.demands.asked(asked_by(proxy), names)
