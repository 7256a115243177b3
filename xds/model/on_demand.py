"""What workloads have asked for on demand: the hosts whose routes their sidecars hold, where they hold no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from xds.model.labels import Labels
from xds.model.proxy import Proxy

LABEL: Final = "plait.dev/outbound"
"""The label of pods and namespaces that says whether sidecars hold what they use; the root namespace's is for all."""

ON_DEMAND: Final = "on-demand"
_LONGEST: Final = 255  # letters of a host
_NAMES: Final = ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")


class Asked(NamedTuple):
    """A host that was asked for, in lower case and without port, on the port whose routes are looked at."""

    port: int
    host: str


class AskedBy(NamedTuple):
    """Who asks alike: the proxies of one account that call themselves alike."""

    namespace: str
    account: str
    name: str


@dataclass(frozen=True, slots=True)
class Demand:
    """What a workload has asked for, sorted. ``all`` is whether it is so much that its sidecars hold everything.

    ``turns`` is how often hosts have expired, by port: its proxies are to ask for those anew.
    """

    by: AskedBy
    hosts: tuple[Asked, ...] = ()
    all: bool = False
    turns: tuple[tuple[int, int], ...] = ()


def asked_by(proxy: Proxy) -> AskedBy:
    """Whose demand a proxy's is."""
    stated = dict(proxy.labels)
    return AskedBy(proxy.namespace, proxy.service_account, next((stated[key] for key in _NAMES if key in stated), ""))


def asked(name: str) -> Asked | None:
    """The host that ``PORT/HOST`` or ``PORT/HOST:PORT`` means, as Envoy asks for it; None where that is none."""
    table, slash, host = name.partition("/")
    bare, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        host = bare
    known = slash and table.isascii() and table.isdigit() and len(table) <= 5 and len(host) <= _LONGEST
    bracketed = host.startswith("[") and host.endswith("]")
    if not known or not host or "/" in host or "*" in host or (":" in host and not bracketed):
        return None
    return Asked(int(table), host.lower())


def says(labels: Labels) -> str:
    """What labels say of it, ``""`` for nothing."""
    return dict(labels).get(LABEL, "")
