"""Node: a machine; its labels tell the locality of its pods."""

from __future__ import annotations

from typing import Annotated, ClassVar

from xds.kinds.authored import Kind, Lenient, Stored
from xds.kinds.quantities import about


class NodeAddress(Lenient, frozen=True, kw_only=True):
    """An address of a node."""

    type: str = ""
    address: str = ""


class NodeSystemInfo(Lenient, frozen=True, kw_only=True):
    """What a node runs."""

    kubelet_version: Annotated[str, about("The kubelet's version: `v1.36.3`.")] = ""


class NodeStatus(Lenient, frozen=True, kw_only=True):
    """How the node is."""

    addresses: Annotated[tuple[NodeAddress, ...], about("Its addresses.")] = ()
    node_info: Annotated[NodeSystemInfo, about("What it runs.")] = NodeSystemInfo()


class Node(Stored, frozen=True, kw_only=True):
    """A machine; ``topology.kubernetes.io/region`` and ``/zone`` among its labels are its pods' locality."""

    KIND: ClassVar[Kind] = Kind("", "Node", ("v1",), "nodes", ("no",), namespaced=False)

    status: Annotated[NodeStatus, about("How it is.")] = NodeStatus()
