"""``plait serve`` put together from its settings: whom it trusts, its CA, the control plane."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ca.directory_store import DirectoryStore
from ca.errors import CaError
from xds.app import ControlPlane
from xds.callers.authenticate import Authenticator, Certificates
from xds.identity.plugged_in import PluggedInFiles
from xds.identity.token_issuer import TokenIssuer
from xds.identity.trust import NOBODY, Issuer, Trust
from xds.judging.proving import kept_at
from xds.model.identity import TrustDomains
from xds.setting_values import SettingError
from xds.settings import Settings
from xds.sources.changes import Source
from xds.sources.files import FileSource
from xds.sources.stored import Stored

if TYPE_CHECKING:
    from xds.cluster.cluster import Cluster

# Calls to an API server wait in threads, up to their time limits while it is away; none may wait for another's turn.
_THREADS: Final = 32


class CannotServe(Exception):
    """Why it cannot start, in words for the operator: one sentence for each thing that is wrong."""


async def serve(settings: Settings, started: Callable[[], None]) -> None:
    """Serve for ever; ``started`` is called once the first generation is served. Errors: CannotServe, OSError."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS, "plait"))
    try:
        cluster = _cluster(settings)
        trusted, board = trust(settings, os.environ, cluster), None if cluster is None else cluster.rollouts
        control_plane = ControlPlane(settings, _sources(settings, cluster), trusted, board)
        if cluster is not None:
            control_plane.convergence.ready_when.append(cluster.ready)
            control_plane.writers = cluster.writers()
        async with control_plane:
            started()
            if cluster is None:
                await control_plane.wait()
            else:
                await cluster.serve(control_plane)
    except (CaError, SettingError) as error:
        raise CannotServe(str(error)) from error


def _cluster(settings: Settings) -> Cluster | None:
    """The cluster that is watched. Errors: CannotServe."""
    if not settings.watches_cluster:
        return None
    from xds.cluster.cluster import Cluster  # its client library takes half a second, and memory
    from xds.sources.kube_config import NoCluster

    try:
        return Cluster(settings)
    except NoCluster as error:
        raise CannotServe(str(error)) from error


def _sources(settings: Settings, cluster: Cluster | None) -> Sequence[Source]:
    if cluster is not None:
        return [_own(settings, cluster), cluster.remotes]
    files = [FileSource(path, size_limit_bytes=settings.manifest_size_limit) for path in settings.manifests]
    if not settings.remote_kubeconfigs:
        return files
    from xds.sources.kube_config import NoCluster
    from xds.sources.remote_clusters import RemoteClusters
    from xds.sources.remote_kubeconfig import listed

    try:
        return [*files, RemoteClusters(settings.cluster_id, listed(settings.remote_kubeconfigs))]
    except NoCluster as error:
        raise CannotServe(str(error)) from error


def _own(settings: Settings, cluster: Cluster) -> Source:
    """The source of a cluster's objects. Where the CA is not in the cluster, it can be done without for a while."""
    path = None if settings.ca_dir is None else kept_at(settings, "objects")
    return cluster.source if path is None else Stored(cluster.source, path, lambda: cluster.source.away)


def trust(settings: Settings, environment: Mapping[str, str], cluster: Cluster | None = None) -> Trust:
    """Whom a control plane of these settings trusts; nobody where it has neither a CA nor an issuer of tokens.

    Of a cluster, the API server says whose tokens are good, and the CA is kept in a Secret where no folder is named.
    Errors: SettingError for keys of tokens that are none; OSError for a file that cannot be read.
    """
    over_tls = bool(settings.xds or settings.xds_mtls)
    with_ca = over_tls or settings.ca_dir is not None or settings.plugged_in_ca is not None
    own = TrustDomains()  # until the mesh's settings are known
    issuer = _issuer(settings, own, cluster)
    if not with_ca and issuer is None:
        return NOBODY
    certificates = Certificates(own.all)
    authenticator = Authenticator([certificates] if issuer is None else [certificates, issuer])
    if not with_ca:
        return Trust(authenticator, certificates=certificates, issuer=issuer)
    passphrase = None if settings.ca_passphrase_file is None else _passphrase(settings.ca_passphrase_file)
    plugged_in = _plugged_in(settings, passphrase)
    if cluster is not None and settings.ca_dir is None:
        return Trust(authenticator, cluster.ca_store(passphrase), plugged_in, certificates, issuer, cluster.council)
    store = DirectoryStore(settings.ca_dir or default_ca_dir(environment), passphrase)
    return Trust(authenticator, store, plugged_in, certificates, issuer)


def default_ca_dir(environment: Mapping[str, str]) -> Path:
    """Where the CA is kept when nobody says: ``plait/ca`` in the user's folder for state (XDG)."""
    state = environment.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "plait" / "ca"


def _issuer(settings: Settings, own: TrustDomains, cluster: Cluster | None) -> Issuer | None:
    if not settings.token_issuer:
        return None if cluster is None else cluster.tokens(own.own)
    try:
        return TokenIssuer(settings.token_issuer, settings.token_keys, own.own, settings.jwks_refresh)
    except ValueError as error:
        raise SettingError(f"token_keys: {error}") from None


def _plugged_in(settings: Settings, passphrase: bytes | None) -> PluggedInFiles | None:
    """The operator's CA; in a cluster a Secret that may be there, as Istio's ``cacerts``."""
    folder = settings.plugged_in_ca
    return None if folder is None else PluggedInFiles(folder, passphrase, optional=settings.in_cluster)


def _passphrase(file: Path) -> bytes:
    """What the file holds, without the end of its line. Errors: SettingError when that is nothing."""
    found = file.read_bytes().rstrip(b"\r\n")
    if not found:
        raise SettingError(f"ca_passphrase_file: {file} is empty")
    return found
