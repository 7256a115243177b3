"""Which pod a process belongs to, as its ``/proc/PID/cgroup`` says."""

from __future__ import annotations

import re
from typing import Final

# cgroupfs: /kubepods/burstable/pod<uid>/<container>; systemd: ...kubepods-burstable-pod<uid, _ for ->.slice/...scope.
_POD: Final = re.compile(r"[/-]pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12})(?:\.slice)?(?:/|$)")


def pod_uid(text: str) -> str:
    """The UID of the pod whose process has that ``cgroup`` file; empty when it is no pod's.

    Both versions of cgroups, the drivers cgroupfs and systemd, and paths relative to our own cgroup (``/../../``). A
    path may go on below the pod: what a pod makes there is not looked at. Where hierarchies name several pods, none.
    """
    found: set[str] = set()
    for line in text.splitlines():
        path = line.split(":", 2)[-1]
        pod = _POD.search(path)
        if pod is not None:
            found.add(pod[1].replace("_", "-"))
    return found.pop() if len(found) == 1 else ""
