"""The proxies that are connected to a control plane, whichever of its replicas they are connected to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xds.cli.control_plane import ControlPlane
from xds.cli.failure import Failure

Proxy = Mapping[str, Any]


def connected(to: ControlPlane) -> Sequence[Proxy]:
    """Every connected proxy, by node id; where there are several replicas, ``replica`` is the name of its one.

    A proxy that has just gone from one replica to another is told of by the one that it came to last. Errors: Failure.
    """
    latest: dict[str, tuple[str, str]] = {}
    told = to.ask_each("/debug/syncz")
    for replica, proxies in told.items():
        if not isinstance(proxies, list):
            raise Failure(f"what answers at {replica} is no control plane of plait: it has no /debug/syncz")
        for one in proxies:
            latest[one["proxy"]] = max(latest.get(one["proxy"], ("", "")), (one["connected_since"] or "", replica))
    several = len(to.replicas) > 1
    found = [
        {**one, "replica": replica} if several else one
        for replica, proxies in told.items()
        for one in proxies
        if latest[one["proxy"]][1] == replica
    ]
    return sorted(found, key=lambda one: str(one["proxy"])) if several else found
