"""Which struct a manifest's apiVersion and kind mean, and what to say when it is none of ours."""

from __future__ import annotations

import difflib

from xds.decoders.shape.faults import listed
from xds.kinds.authored import Authored
from xds.kinds.registry import BY_API_VERSION, BY_GROUP_KIND, KINDS
from xds.model.problem import Severity

_KUBERNETES_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy", "extensions"})
_MESH_GROUPS = (
    "networking.istio.io",
    "networking.plait.dev",
    "security.istio.io",
    "telemetry.istio.io",
    "extensions.istio.io",
    "gateway.networking.k8s.io",
    "mesh.istio.io",
)


def struct_for(api_version: str, kind: str) -> type[Authored] | None:
    """The struct that is read for this apiVersion and kind; None when it is none of ours."""
    return BY_API_VERSION.get((api_version, kind))


def unknown_kind(api_version: str, kind: str) -> tuple[str, Severity]:
    """What to say of a manifest that is none of ours, and how bad that is.

    An error when it looks like a slip for one of our kinds; a warning when it means the mesh and has no effect;
    else an information, as Kubernetes' other kinds stand in the same files by right.
    """
    group = api_version.rpartition("/")[0]
    meant = _meant(api_version, kind)
    if meant is not None:
        return meant, Severity.ERROR
    if group in _MESH_GROUPS or group.endswith(".istio.io"):
        return no_effect(api_version, kind), Severity.WARNING
    return f"{kind} of {api_version} is none of the kinds that are read and has no effect", Severity.INFO


def no_effect(api_version: str, kind: str) -> str:
    """What to say of an object of the mesh whose kind this version does not carry out."""
    return f"{kind} of {api_version} is not read yet and has no effect"


def _meant(api_version: str, kind: str) -> str | None:
    """The correction, where group and kind are close to one of ours."""
    group = api_version.rpartition("/")[0]
    ours = BY_GROUP_KIND.get((group, kind))
    if ours is not None:
        return f"{kind} is read in apiVersion {listed(list(ours.KIND.api_versions), 'or')}, not in {api_version}"
    names = [struct.KIND.name for struct in KINDS if struct.KIND.group == group]
    near = difflib.get_close_matches(kind, names, n=1, cutoff=0.85)
    if near:
        return f"there is no kind {kind}; did you mean {near[0]!r}?"
    owners = [struct for struct in KINDS if struct.KIND.name == kind]
    if owners and _is_slip(group, owners[0].KIND.group):
        return f"{kind} is of apiVersion {owners[0].KIND.api_versions[0]}, not of {api_version}"
    return None


def _is_slip(group: str, owner: str) -> bool:
    """Whether ``group`` can only have been meant as ``owner``: Kubernetes' own, another of the mesh, or nearly it."""
    if group in _KUBERNETES_GROUPS or group in _MESH_GROUPS:
        return True
    return "." in owner and difflib.SequenceMatcher(None, group, owner).ratio() > 0.85
