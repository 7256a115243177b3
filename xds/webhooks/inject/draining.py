"""How a pod goes without costing a request: it serves on while those who call it learn that it is going.

Kubernetes tells a pod to end and its callers that it is ending at the same moment. An application that closes its port
at once refuses those who have not heard yet; there is no agent here that could hold it up, but the kubelet can.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Final

from xds.webhooks.inject.plain import Json, mapping, number, text
from xds.webhooks.inject.subject import Subject

_TERMINATION: Final = timedelta(seconds=5)
_GRACE_S: Final = 30


def sleep(subject: Subject) -> Json:
    """The hook ``preStop`` that waits for ProxyConfig's ``terminationDrainDuration`` (5 s), at most half of the pod's
    grace period; empty where that is nothing.
    """
    drain = subject.proxy_config.termination_drain_duration
    grace = number(subject.spec.get("terminationGracePeriodSeconds"), _GRACE_S)
    wanted = math.ceil((_TERMINATION if drain is None else drain).total_seconds())
    seconds = min(wanted, grace // 2)
    return {"preStop": {"sleep": {"seconds": seconds}}} if seconds > 0 else {}


def serve_on(subject: Subject) -> None:
    """Have the application's containers wait before they are told to end, where they have no hook of their own.

    Those of Jobs end by themselves, and are not waited for.
    """
    hook = sleep(subject)
    if not hook or text(subject.spec.get("restartPolicy")) not in ("", "Always"):
        return
    for container in subject.containers:
        own = mapping(container.get("lifecycle"))
        if "preStop" not in own:
            container["lifecycle"] = {**own, **hook}
