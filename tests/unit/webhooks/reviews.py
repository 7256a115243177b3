"""Reviews for tests, as the API server sends them."""

from __future__ import annotations

import json
from typing import Any

GROUP = "networking.istio.io"
ROUTES = [{"route": [{"destination": {"host": "db"}}]}]


def virtual_service(spec: Any = None, **metadata: Any) -> dict[str, Any]:
    named = {"name": "reviews", "namespace": "shop", **metadata}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "VirtualService",
        "metadata": named,
        "spec": spec or {"hosts": ["db"], "http": ROUTES},
    }


def review(plain: dict[str, Any] | None, **request: Any) -> dict[str, Any]:
    """The review of an object that is created, unless ``request`` says otherwise."""
    known = plain or request.get("oldObject") or {}
    group, _, version = known.get("apiVersion", "").rpartition("/")
    metadata = known.get("metadata", {})
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": group, "version": version, "kind": known.get("kind", "")},
            "operation": "CREATE",
            "namespace": metadata.get("namespace", ""),
            "name": metadata.get("name", ""),
            "userInfo": {"username": "jane", "groups": ["g"]},
            "object": plain,
            "oldObject": None,
            **request,
        },
    }


def body(plain: dict[str, Any] | None, **request: Any) -> bytes:
    return json.dumps(review(plain, **request)).encode()
