"""Names of replicas."""

from __future__ import annotations

import re

from xds.local.replicas import pod_names


def test_names() -> None:
    deployment = pod_names("Deployment", "shop", "web", 3, b"one")
    assert len(set(deployment)) == 3
    assert all(re.fullmatch(r"web-[a-z0-9]{10}-[a-z0-9]{5}", name) for name in deployment)
    assert deployment[:2] == pod_names("Deployment", "shop", "web", 2, b"one")
    assert not set(deployment) & set(pod_names("Deployment", "shop", "web", 3, b"two"))
    assert pod_names("StatefulSet", "shop", "db", 2, b"") == ("db-0", "db-1")
    assert re.fullmatch(r"once-[a-z0-9]{5}", pod_names("Job", "shop", "once", 1, b"")[0])
    assert pod_names("Pod", "shop", "one", 1, b"") == ("one",)
    assert all(len(name) <= 63 for name in pod_names("Deployment", "shop", "w" * 80, 1, b""))
