"""Which pod a process is of, in the texts that kernels and drivers make."""

from __future__ import annotations

import pytest

from xds.cni.cgroups import pod_uid

UID = "0f7a3c1e-5b7e-4a43-9d3c-2a6a6f0e8b11"
UNDERSCORED = UID.replace("-", "_")
OTHER = "99999999-5b7e-4a43-9d3c-2a6a6f0e8b11"
CONTAINER = "5dbbc8df29d70969f6fda88662f739a1da1a0b02fef2772b544744e74bd3abd4"
SLICE = f"kubepods-burstable-pod{UNDERSCORED}.slice"

CASES = {
    "v1, cgroupfs": (
        f"9:name=systemd:/\n8:pids:/kubepods/burstable/pod{UID}/{CONTAINER}\n0::/\n",
        UID,
    ),
    "v1, guaranteed pod": (f"11:cpu,cpuacct:/kubepods/pod{UID}/{CONTAINER}\n", UID),
    "v1, the node is in a cgroup itself": (f"8:pids:/docker/{CONTAINER}/kubelet/kubepods/pod{UID}/{CONTAINER}\n", UID),
    "v1, systemd": (
        f"11:memory:/kubepods.slice/kubepods-burstable.slice/{SLICE}/x.scope\n1:name=systemd:/kubepods.slice/kubepods-burstable.slice/{SLICE}/cri-containerd-{CONTAINER}.scope\n",
        UID,
    ),
    "v2, systemd": (f"0::/kubepods.slice/kubepods-besteffort.slice/{SLICE}/cri-containerd-{CONTAINER}.scope\n", UID),
    "v2, systemd, guaranteed": (f"0::/kubepods.slice/kubepods-pod{UNDERSCORED}.slice/crio-{CONTAINER}.scope\n", UID),
    "v2, cgroupfs": (f"0::/kubepods/besteffort/pod{UID}/{CONTAINER}\n", UID),
    "v2, the pod itself": (f"0::/kubepods/besteffort/pod{UID}\n", UID),
    "v2, seen from another pod's cgroup namespace": (f"0::/../../{SLICE}/cri-containerd-{CONTAINER}.scope\n", UID),
    "v2, kind": (f"0::/kubelet.slice/kubelet-kubepods.slice/kubelet-{SLICE}/cri-containerd-{CONTAINER}.scope\n", UID),
    "below the container": (f"0::/kubepods/pod{UID}/{CONTAINER}/init.scope\n", UID),
    "a pod that names its cgroups like another": (f"0::/kubepods/pod{UID}/{CONTAINER}/pod{OTHER}/x\n", UID),
    "hierarchies that do not agree": (f"8:pids:/kubepods/pod{UID}/a\n7:cpu:/kubepods/pod{OTHER}/a\n", ""),
    "the kubelet": ("0::/system.slice/kubelet.service\n", ""),
    "a session": ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
    "our own cgroup": ("0::/\n", ""),
    "no UID": ("0::/kubepods/podx/y\n", ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("text", "uid"), CASES.values(), ids=list(CASES))
def test_pod_uid(text: str, uid: str) -> None:
    assert pod_uid(text) == uid
