"""Mutual TLS as the mesh decides it, and policies that attach to workloads."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from xds.model.labels import NO_LABELS, Labels
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import ObjectRef

TLS_MODE_LABEL = "security.istio.io/tlsMode"
TLS_MODE_ISTIO = "istio"


def has_sidecar(labels: Labels) -> bool:
    """Whether a workload says, as istio's injector makes it say, that a sidecar takes what comes in."""
    return (TLS_MODE_LABEL, TLS_MODE_ISTIO) in labels


class MtlsMode(Enum):
    """What a workload's port takes (Istio's PeerAuthentication); UNSET is what the next wider scope says."""

    UNSET = "UNSET"
    DISABLE = "DISABLE"
    PERMISSIVE = "PERMISSIVE"
    STRICT = "STRICT"


@dataclass(frozen=True, slots=True)
class PeerAuthentication:
    """What the workloads of a scope take from their callers; ``port_modes`` by port of the pod."""

    ref: ObjectRef
    selector: Labels = NO_LABELS
    mode: MtlsMode = MtlsMode.UNSET
    port_modes: tuple[tuple[int, MtlsMode], ...] = ()


@dataclass(frozen=True, slots=True)
class Mtls:
    """What one workload takes: on all ports, and on some of them otherwise. Never UNSET."""

    mode: MtlsMode = MtlsMode.PERMISSIVE
    ports: tuple[tuple[int, MtlsMode], ...] = ()

    def at(self, port: int) -> MtlsMode:
        """The mode of a port of the pod."""
        return dict(self.ports).get(port, self.mode)


class Target(NamedTuple):
    """What a policy is attached to by name, instead of a selector (``targetRefs``)."""

    group: str
    kind: str
    name: str


class Attachment(NamedTuple):
    """Which workloads a policy object is for. Light, so that who only looks at it does not depend on the policy.

    ``of`` is the object; it is found under its name in ``Table.POLICY``.
    """

    created: str
    of: ObjectRef
    selector: Labels = NO_LABELS
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachedPolicy:
    """What a policy object says for the workloads that it is attached to."""

    ref: ObjectRef
    policies: Policies = NO_POLICIES


@dataclass(frozen=True, slots=True)
class TlsBounds:
    """What TLS may be negotiated: the oldest version (``TLSv1_2``, ``TLSv1_3``), and suites and curves, Envoy's names.

    Empty ciphers and curves are the mesh's defaults.
    """

    minimum: str = "TLSv1_2"
    ciphers: tuple[str, ...] = ()
    curves: tuple[str, ...] = ()


USUAL_TLS: Final = TlsBounds()
"""What holds while MeshConfig says nothing of TLS."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """Root certificates (PEM) beside those of the mesh's own CA; for the mesh itself where no trust domain is named."""

    pem: str
    trust_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KeySet:
    """The public keys of a token issuer, as JWKS text; ``uri`` is where they were read.

    ``problem`` says why there are none, or why they are old.
    """

    uri: str
    jwks: str = ""
    problem: str = ""
