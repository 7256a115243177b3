"""The kubeconfigs of remote clusters: those in Secrets and those that are listed, and which of them count."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.sources.kube_config import NoCluster

MOST: Final = 64
"""Remote clusters that are read; each costs five connections, and memory for its objects."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """How a cluster is reached, and the object that says so."""

    cluster: str
    at: FieldRef
    content: bytes = field(repr=False)

    @property
    def fingerprint(self) -> bytes:
        """What differs where the content does, and tells nothing of it."""
        return hashlib.sha256(self.content).digest()


def listed(stated: Iterable[str]) -> tuple[Kubeconfig, ...]:
    """The kubeconfigs in files, each ``CLUSTER=FILE``. Errors: NoCluster for a file that cannot be read."""
    found = []
    for each in stated:
        cluster, _, file = each.partition("=")
        try:
            found.append(Kubeconfig(cluster, FieldRef(ObjectRef("", "File", "", file)), Path(file).read_bytes()))
        except OSError as error:
            raise NoCluster(f"kubeconfig of cluster {cluster}: {error}") from None
    return tuple(found)


def of_secrets(secrets: Mapping[ObjectRef, Mapping[str, str]]) -> Iterable[Kubeconfig]:
    """The kubeconfigs in Secrets, by name and key."""
    for ref, data in sorted(secrets.items()):
        for cluster, encoded in sorted(data.items()):
            try:
                content = base64.b64decode(encoded)
            except (binascii.Error, ValueError):
                content = b""
            yield Kubeconfig(cluster, FieldRef(ref, ("data", cluster)), content)


def wanted_of(own: str, stated: Iterable[Kubeconfig]) -> tuple[dict[str, Kubeconfig], dict[str, Problem]]:
    """The kubeconfig that counts for each cluster (the first), and why others do not; none is of ``own``, by its id."""
    found: dict[str, Kubeconfig] = {}
    problems: dict[str, Problem] = {}
    for each in stated:
        if each.cluster == own:
            message = f"{each.cluster!r} is this control plane's own cluster: give the remote another id"
            problems[each.cluster] = Problem(each.at, "remote.own-cluster", message)
        elif each.cluster in found:
            first = found[each.cluster].at
            message = f"{each.cluster!r} has a kubeconfig already, at {first}: that one counts"
            problems.setdefault(each.cluster, Problem(each.at, "remote.twice", message, Severity.WARNING))
        elif len(found) >= MOST:
            problems[each.cluster] = Problem(each.at, "remote.too-many", f"no more than {MOST} clusters are read")
        else:
            found[each.cluster] = each
    return found, problems
