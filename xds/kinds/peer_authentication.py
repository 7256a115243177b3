"""PeerAuthentication: whether workloads take mutual TLS, plaintext, or both."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, Strict
from xds.kinds.quantities import about
from xds.kinds.workload_selector import WorkloadSelector


class MutualTLS(Strict, frozen=True, kw_only=True):
    """What is taken from callers."""

    mode: Annotated[
        Literal["UNSET", "DISABLE", "PERMISSIVE", "STRICT"],
        about("Plaintext, both, or mutual TLS alone; `UNSET` is what the next wider scope says."),
    ] = "UNSET"


class PeerAuthenticationSpec(Strict, frozen=True, kw_only=True):
    """What the workloads of a scope take from their callers."""

    selector: Annotated[WorkloadSelector | None, about("Workloads it is for; all of the namespace when absent.")] = None
    mtls: Annotated[MutualTLS | None, about("What is taken on all ports.")] = None
    port_level_mtls: Annotated[
        dict[str, MutualTLS],
        about("What is taken on single ports of the pods; needs a selector."),
    ] = field(default_factory=dict)


class PeerAuthentication(Authored, frozen=True, kw_only=True):
    """Whether workloads take mutual TLS, plaintext, or both."""

    KIND: ClassVar[Kind] = Kind(
        "security.istio.io",
        "PeerAuthentication",
        ("v1", "v1beta1"),
        "peerauthentications",
        ("pa",),
    )

    spec: Annotated[PeerAuthenticationSpec, about("The modes.")] = PeerAuthenticationSpec()
