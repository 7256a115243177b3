"""xDS to the proxies: knows resources, knows nothing of the mesh.

Use: put the resources of a node (or a group of nodes) into a ``SnapshotCache``, serve it with a ``Server``, await ACKs.
"""

from __future__ import annotations

from xds.server.access_logs import FAILURES, RECORDS, Entry, Log
from xds.server.ads import Server
from xds.server.auth import Admission, Admit, Released
from xds.server.batch import Answer
from xds.server.cache import Rejected, SnapshotCache
from xds.server.errors import Denied, Reason
from xds.server.load_reports import LoadReportSettings
from xds.server.node import Locality, Node, Peer
from xds.server.observer import Observer
from xds.server.rejections import Rejection
from xds.server.reporter import Reporter
from xds.server.settings import ServerSettings
from xds.server.status import State, StreamStatus, TypeStatus
from xds.wire.resource import Resource, ResourceSet, Table

__all__ = [
    "FAILURES",
    "RECORDS",
    "Admission",
    "Admit",
    "Answer",
    "Denied",
    "Entry",
    "LoadReportSettings",
    "Locality",
    "Log",
    "Node",
    "Observer",
    "Peer",
    "Reason",
    "Rejected",
    "Rejection",
    "Released",
    "Reporter",
    "Resource",
    "ResourceSet",
    "Server",
    "ServerSettings",
    "SnapshotCache",
    "State",
    "StreamStatus",
    "Table",
    "TypeStatus",
]
