"""What every node of a cluster can do: run sidecars as Kubernetes has them (init containers that go on), speak IPv6."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from xds.model.families import Families
from xds.model.snapshot import Snapshot, Table

# SidecarContainers is on by default from here on.
_SINCE: Final = (1, 29)
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")


def native_sidecars(snapshot: Snapshot) -> bool:
    """Whether every node has them, so that a pod may come to any; no where no node is known."""
    return new_enough(node.kubelet for name in snapshot.keys(Table.NODE) for node in snapshot.rows(Table.NODE, name))


def every_node_has_ipv6(snapshot: Snapshot) -> bool:
    """Whether every node has an IPv6 address, and so a kernel in which proxies can bind one; no where none is known."""
    found = [node.families for name in snapshot.keys(Table.NODE) for node in snapshot.rows(Table.NODE, name)]
    return bool(found) and Families.IPV4 not in found


def new_enough(versions: Iterable[str]) -> bool:
    """Whether every kubelet of these versions (``v1.33.2``) runs native sidecars; no where there is none."""
    numbers = [_VERSION.match(each) for each in versions]
    return bool(numbers) and all(each and (int(each[1]), int(each[2])) >= _SINCE for each in numbers)
