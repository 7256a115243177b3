"""References by which policies name what they hold for, instead of selecting workloads by labels."""

from __future__ import annotations

from typing import Annotated

from xds.kinds.authored import Strict
from xds.kinds.quantities import NonEmpty, about


class PolicyTargetReference(Strict, frozen=True, kw_only=True):
    """One object that a policy holds for: a Gateway, a GatewayClass, a Service or a ServiceEntry."""

    group: Annotated[str, about("Its API group; empty for core.")] = ""
    kind: Annotated[NonEmpty, about("Its kind.")]
    name: Annotated[NonEmpty, about("Its name.")]
    namespace: Annotated[str, about("Only the policy's own namespace may stand here.")] = ""
