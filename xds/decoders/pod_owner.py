"""Who made a pod."""

from __future__ import annotations

from xds.kinds.pod import Pod as PodStruct
from xds.model.well_known import TEMPLATE_HASH


def owner_of(struct: PodStruct) -> tuple[str, str]:
    """Name and kind of what made the pod, a Deployment rather than its ReplicaSet; empty when nobody is known to have.

    Source: Kubernetes' label pod-template-hash, which is the end of a ReplicaSet's name.
    """
    owner = next((each for each in struct.metadata.owner_references if each.controller), None)
    if owner is None:
        return "", ""
    suffix = struct.metadata.labels.get(TEMPLATE_HASH, "")
    if owner.kind == "ReplicaSet" and suffix:
        return owner.name.removesuffix(f"-{suffix}"), "Deployment"
    return owner.name, owner.kind
