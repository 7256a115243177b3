"""Who is first: an order of the proxies that a change affects, and how many of them each step has. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache
from math import ceil
from typing import Final

from xds.model.proxy import SIDECAR, Proxy

Workload = tuple[str, str, str, frozenset[tuple[str, str]]]
Place = tuple[bool, bool, bool, str]
"""By what proxies are put in order: the least is first."""

_FEW: Final = 0.05
# Labels in which replicas of one workload differ.
_OF_ONE_POD: Final = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
        "controller-revision-hash",
    }
)


def workload_of(proxy: Proxy) -> Workload:
    """What the replicas of a workload have in common."""
    known = frozenset((key, value) for key, value in proxy.labels if key not in _OF_ONE_POD)
    return proxy.kind, proxy.namespace, proxy.service_account, known


@lru_cache(maxsize=20_000)
def workload_hash(proxy: Proxy) -> str:
    """A short name of ``workload_of``, the same in every control plane."""
    kind, namespace, account, known = workload_of(proxy)
    return hashlib.sha256(repr((kind, namespace, account, sorted(known))).encode(errors="surrogatepass")).hexdigest()[
        :16
    ]


def ordered(
    affected: Iterable[Proxy], everybody: Iterable[Proxy], telling: Callable[[Proxy], bool]
) -> tuple[Proxy, ...]:
    """The affected proxies in the order in which a change reaches them; the same for the same pods.

    First come those that are ``telling``: that have traffic which can tell something. How much is not asked, as it is
    their word, and whoever says most would always be first. Among them sidecars whose workload
    has other replicas, as the others go on as before and can be compared; among those the hash of the pod's name
    decides.
    """
    places = placed(affected, everybody, telling)
    return tuple(sorted(places, key=places.__getitem__))


def placed(
    affected: Iterable[Proxy], everybody: Iterable[Proxy], telling: Callable[[Proxy], bool]
) -> dict[Proxy, Place]:
    """The affected proxies, and by what ``ordered`` puts them in order."""
    replicas = Counter(map(workload_of, everybody))

    def place(proxy: Proxy) -> Place:
        alone = replicas[workload_of(proxy)] < 2
        return not telling(proxy), proxy.kind != SIDECAR, alone, _hashed(proxy)

    return {each: place(each) for each in affected}


def sizes(count: int) -> tuple[int, ...]:
    """How many proxies of ``count`` each step has: one, 5 %, all; steps that add nobody are left out."""
    return tuple(sorted({size for size in (1, ceil(count * _FEW), count) if 0 < size <= count}))


def _hashed(proxy: Proxy) -> str:
    return hashlib.sha256(f"{proxy.namespace}/{proxy.name or proxy.id}".encode(errors="surrogatepass")).hexdigest()
