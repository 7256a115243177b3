"""Whose proxies count what they call: of these, what the called say is not counted a second time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from xds.callers.caller import Caller
from xds.model.identity import TrustDomains
from xds.model.snapshot import Snapshot, Table
from xds.model.workload import Workload
from xds.telemetry.nodes import Node
from xds.telemetry.open_connections import FORGOTTEN_S

_MAX_KNOWN: Final = 10_000
# Going through 10,000 pods is 4 ms: soon where somebody is not known, seldom where all are.
_SOON_S: Final = 2.0
_SELDOM_S: Final = 60.0

Account = tuple[str, str]
"""Namespace and name of a service account."""


class Callers:
    """Identities of the mesh as it is now, or was within the last minute."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._read: Snapshot | None = None
        self._at = 0.0
        self._proxied: frozenset[Account] = frozenset()
        self._nodes: dict[str, tuple[Node, Account | None]] = {}
        self._there: dict[Account, float] = {}

    def there(self, namespace: str, account: str, now: float) -> None:
        """A proxy of that service account is there: it may be that of a machine, which is no pod."""
        self._there[(namespace, account)] = now

    def tidy(self, now: float) -> None:
        """Forget proxies that have gone."""
        self._there = {account: at for account, at in self._there.items() if now - at <= FORGOTTEN_S}

    def reports(self, principal: str, now: float) -> bool:
        """Whether workloads of that identity have a proxy of the mesh, which counts what they call."""
        account = self._known(principal)[1]
        if account is None or account in self._there:
            return account is not None
        found = account in self._proxied
        if self._snapshot() is not self._read and now - self._at >= (_SELDOM_S if found else _SOON_S):
            self._read_anew(now)
            return account in self._proxied
        return found

    def node(self, principal: str) -> Node:
        """Who has that identity, by its service account; something outside where it is none of a service account."""
        return self._known(principal)[0]

    def _known(self, principal: str) -> tuple[Node, Account | None]:
        found = self._nodes.get(principal)
        if found is None:
            if len(self._nodes) >= _MAX_KNOWN:
                self._nodes.clear()
            found = self._nodes[principal] = _read(principal, self._trust())
        return found

    def _trust(self) -> TrustDomains:
        rows = self._snapshot().rows(Table.MESH, "")
        trust: TrustDomains = rows[0].trust if rows else TrustDomains()
        return trust

    def _read_anew(self, now: float) -> None:
        self._read, self._at = self._snapshot(), now
        self._nodes = {}
        found = set[Account]()
        for key in self._read.keys(Table.WORKLOAD):
            workload: Workload = self._read.rows(Table.WORKLOAD, key)[0]
            if workload.proxied:
                found.add((workload.namespace, workload.service_account or "default"))
        self._proxied = frozenset(found)


def _read(principal: str, trust: TrustDomains) -> tuple[Node, Account | None]:
    """The node, and namespace and service account where the identity is one of the mesh's own."""
    if not principal:
        return Node(), None
    try:
        caller = Caller.of(principal)
    except ValueError:
        return Node("external", "", principal), None
    account = (caller.namespace, caller.service_account)
    if caller.trust_domain not in trust.all:
        return Node("external", "", principal), None
    return Node("workload", *account), account
