"""Whether a Deployment is there, and what is said when it is not."""

from __future__ import annotations

from typing import Any

import pytest

from xds.install.progress import available, why_not


def deployment(wanted: int, generation: int = 2, **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "plait", "generation": generation},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 2, **status},
    }


@pytest.mark.parametrize(
    ("found", "there"),
    [
        (deployment(2, replicas=2, updatedReplicas=2, availableReplicas=2), True),
        (deployment(2, replicas=3, updatedReplicas=2, availableReplicas=3), False),  # an old pod is going still
        (deployment(2, replicas=2, updatedReplicas=1, availableReplicas=2), False),
        (deployment(2, 3, replicas=2, updatedReplicas=2, availableReplicas=2), False),  # not looked at yet
        (deployment(1), False),
        (deployment(0, replicas=0), True),
    ],
)
def test_available(found: dict[str, Any], there: bool) -> None:
    assert available(found) is there


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "plait-1"}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "discovery", "ready": False, "state": state}


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            {"containerStatuses": [container(waiting={"reason": "ImagePullBackOff", "message": "no such image"})]},
            "plait-1 waits, ImagePullBackOff: no such image",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"}]},
            "plait-1 has no node: 0/1 nodes are available",
        ),
        ({"containerStatuses": [container(running={})]}, "plait-1 runs and is not ready"),
        (
            {"containerStatuses": [container(terminated={"exitCode": 2, "reason": "Error"})]},
            "plait-1 ended with 2 (Error)",
        ),
        (
            {
                "containerStatuses": [
                    {
                        **container(waiting={"reason": "CrashLoopBackOff"}),
                        "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
                    }
                ]
            },
            "plait-1 waits, CrashLoopBackOff; plait-1 ended with 1 (Error)",
        ),
    ],
)
def test_what_a_pod_says(status: dict[str, Any], told: str) -> None:
    assert why_not(deployment(1), [pod(**status)]) == f"0 of 1 pods are available; {told}"


def test_nothing_is_said_of_steps_on_the_way() -> None:
    status = {"containerStatuses": [container(waiting={"reason": "ContainerCreating"})]}
    assert why_not(deployment(1), [pod(**status)]) == "0 of 1 pods are available"


def test_pods_that_may_not_be_made() -> None:
    refused = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]
    assert why_not(deployment(1, conditions=refused), []) == (
        "0 of 1 pods are available; no pod can be made: exceeded quota"
    )
