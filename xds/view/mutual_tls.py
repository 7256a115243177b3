"""Mutual TLS as a server decides it: what a workload's ports take from their callers.

Source: istio-semantics 1.8: the workload's own PeerAuthentication, its namespace's, the mesh's; of each the oldest.
"""

from __future__ import annotations

from collections.abc import Iterable

from xds.model.identity import Identity
from xds.model.labels import Labels
from xds.model.security import Attachment, Mtls, MtlsMode, PeerAuthentication, has_sidecar
from xds.model.service import Leading
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.graph import Read
from xds.view.scope import mesh
from xds.view.specs.listeners import ServerTls


def mtls(read: Read, namespace: str, labels: Labels) -> Mtls:
    """What the workloads of a namespace that have these labels take."""
    found = read.get(_deciding, namespace, labels)
    mode = next((policy.mode for policy in found if policy.mode is not MtlsMode.UNSET), MtlsMode.PERMISSIVE)
    own = next((policy for policy in found if policy.selector), None)
    ports = own.port_modes if own is not None else ()
    return Mtls(mode, tuple((port, each) for port, each in ports if each is not MtlsMode.UNSET))


def _deciding(read: Read, namespace: str, labels: Labels) -> tuple[PeerAuthentication, ...]:
    """The workload's policy, the namespace's and the mesh's, as far as there are any."""
    root = read.get(mesh).root_namespace
    here: tuple[Attachment, ...] = read.rows(Table.PEER_AUTHENTICATION, namespace)
    above: tuple[Attachment, ...] = read.rows(Table.PEER_AUTHENTICATION, root)
    chosen = [_first(each for each in above if not each.selector)]
    if namespace != root:
        chosen.insert(0, _first(each for each in here if not each.selector))
        chosen.insert(0, _first(each for each in here if each.selector and each.selector <= labels))
    return tuple(policy for each in chosen if each and (policy := read.first(Table.POLICY, each.of)) is not None)


def _first(found: Iterable[Attachment]) -> Attachment | None:
    return next(iter(found), None)


def takes_tls(read: Read, namespace: str, labels: Labels, port: int) -> bool:
    """Whether callers may show an endpoint their identity: it has a sidecar that is not told otherwise."""
    if not has_sidecar(labels):
        return False
    return read.get(mtls, namespace, labels).at(port) is not MtlsMode.DISABLE


def tells_apart(read: Read, pod: Workload, port: int) -> bool:
    """Whether the sidecar of a pod takes mutual TLS at a port, if it takes any, and does not just pass on what comes.

    It looks at connections only where a service leads to, or where nothing else is taken (view/inbound_listener.py).
    """
    if not pod.captures(port):
        return False
    targets = read.get(_targets, pod.namespace, pod.labels, pod.ref.cluster)
    if any((pod.port(target) if isinstance(target, str) else target) == port for target in targets):
        return True
    return read.get(mtls, pod.namespace, pod.labels).at(port) is MtlsMode.STRICT


def _targets(read: Read, namespace: str, labels: Labels, cluster: str) -> tuple[int | str, ...]:
    leading: tuple[Leading, ...] = read.rows(Table.LEADING, namespace)
    known = (each for each in leading if each.of.cluster == cluster and each.selector <= labels)
    return tuple(dict.fromkeys(target for each in known for target in each.targets))


def server_tls(read: Read, source: Identity) -> ServerTls:
    """The TLS of an inbound chain that takes the mesh's callers only."""
    settings = read.get(mesh)
    return ServerTls(source, settings.trust, settings.mesh_tls)
