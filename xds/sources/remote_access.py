"""How remote clusters are reached: a kubeconfig's content as a connection's settings, and nothing else of it.

It is data of others: it runs no program and reads no file of this control plane's.
"""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import yaml
from kubernetes import client

from xds.sources.kube_config import NoCluster

LIMIT_BYTES: Final = 256 * 1024
"""The largest kubeconfig that is read; one with all certificates in it is about 10 KiB."""

_REFUSED_OF_CLUSTERS: Final = {
    "certificate-authority": "names a file, which is none of this control plane's: give certificate-authority-data",
    "insecure-skip-tls-verify": "is refused: a cluster whose API server is not verified is not read",
    "proxy-url": "is not supported",
}
_REFUSED_OF_USERS: Final = {
    "exec": "would run a program here: give a token, or client-certificate-data with client-key-data",
    "auth-provider": "would run a plug-in here: give a token, or client-certificate-data with client-key-data",
    "tokenFile": "names a file, which is none of this control plane's: give token",
    "client-certificate": "names a file, which is none of this control plane's: give client-certificate-data",
    "client-key": "names a file, which is none of this control plane's: give client-key-data",
    "username": "is not supported: give a token",
    "password": "is not supported: give a token",
    "as": "is not supported: give a token of that account",
}


@dataclass(frozen=True, slots=True)
class Access:
    """How an API server is reached: a ``kubernetes.client.Configuration``, to be closed when it is used no more.

    A client certificate and its key are in memory: a file without a name, which the TLS library reads.
    """

    configuration: Any = field(repr=False)
    memory: int = -1

    def close(self) -> None:
        """Let the key go; what is connected stays so."""
        if self.memory >= 0:
            os.close(self.memory)


class _Named(msgspec.Struct):
    name: str = ""


class _Cluster(_Named):
    cluster: dict[str, Any] = {}


class _User(_Named):
    user: dict[str, Any] = {}


class _Names(msgspec.Struct):
    cluster: str = ""
    user: str = ""


class _Context(_Named):
    context: _Names = msgspec.field(default_factory=_Names)


class _Kubeconfig(msgspec.Struct, rename={"current": "current-context"}):
    current: str = ""
    clusters: list[_Cluster] = []
    contexts: list[_Context] = []
    users: list[_User] = []


def access(text: bytes) -> Access:
    """How the cluster of a kubeconfig's current context is reached (the only one's, where none is current).

    Errors: NoCluster, in words that hold nothing of what is secret in it.
    """
    if len(text) > LIMIT_BYTES:
        raise NoCluster(f"must be no larger than {LIMIT_BYTES >> 10} KiB, is {len(text) >> 10} KiB")
    cluster, user = _chosen(_parsed(text))
    _refuse("clusters", cluster, _REFUSED_OF_CLUSTERS)
    _refuse("users", user, _REFUSED_OF_USERS)
    server = str(cluster.get("server", ""))
    if not server.startswith("https://"):
        raise NoCluster("server must begin with https://")
    configuration: Any = client.Configuration(host=server.rstrip("/"))
    configuration.retries = 0
    configuration.proxy = None
    configuration.tls_server_name = str(cluster.get("tls-server-name") or "") or None
    authorities = _data(cluster, "certificate-authority-data")
    configuration.ca_cert_data = authorities.decode("ascii", "replace") if authorities else None
    token = str(user.get("token") or "")
    if token:
        configuration.api_key["authorization"] = f"Bearer {token}"
    certificate, key = _data(user, "client-certificate-data"), _data(user, "client-key-data")
    if bool(certificate) != bool(key):
        raise NoCluster("client-certificate-data and client-key-data go together")
    if not token and not certificate:
        raise NoCluster("has neither a token nor client-certificate-data: nothing says who asks")
    if not certificate:
        return Access(configuration)
    memory = _in_memory(certificate + b"\n" + key)
    configuration.cert_file = f"/proc/self/fd/{memory}"
    return Access(configuration, memory)


def _parsed(text: bytes) -> _Kubeconfig:
    try:
        return msgspec.convert(yaml.safe_load(text), _Kubeconfig)
    except (yaml.YAMLError, msgspec.ValidationError, RecursionError, UnicodeDecodeError, ValueError):
        # What parsers say of it may hold what it says.
        raise NoCluster("is no kubeconfig") from None


def _chosen(found: _Kubeconfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and the user of the context that counts."""
    wanted = found.current or (found.contexts[0].name if len(found.contexts) == 1 else "")
    context = next((each.context for each in found.contexts if each.name == wanted), None)
    if context is None:
        raise NoCluster("current-context must name one of its contexts")
    clusters = [each.cluster for each in found.clusters if each.name == context.cluster]
    users = [each.user for each in found.users if each.name == context.user]
    if not clusters or not users:
        raise NoCluster(f"its context must name one of its {'users' if clusters else 'clusters'}")
    return clusters[0], users[0]


def _refuse(where: str, stated: dict[str, Any], refused: dict[str, str]) -> None:
    for name, why in refused.items():
        if stated.get(name):
            raise NoCluster(f"{where}: {name} {why}")


def _data(stated: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode("".join(str(stated.get(name) or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise NoCluster(f"{name} must be base64") from None


def _in_memory(content: bytes) -> int:
    memory = os.memfd_create("plait-remote", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(memory), "wb") as file:
        file.write(content)
    return memory
