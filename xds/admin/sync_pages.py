"""A connected proxy as JSON: the same keys on every page that tells of one."""

from __future__ import annotations

from typing import Any

from xds.admin.status import ProxySync, TypeSync

Json = dict[str, Any]


def proxy_json(proxy: ProxySync) -> Json:
    """Who it is, without its types; ``proxy`` is its node id."""
    return {
        "proxy": proxy.id,
        "name": proxy.name,
        "namespace": proxy.namespace,
        "workload": proxy.workload,
        "cluster": proxy.cluster,
        "envoy": proxy.envoy,
        "connected_since": proxy.connected_since.isoformat() if proxy.connected_since else None,
    }


def types_json(proxy: ProxySync) -> Json:
    """How far it is with each type."""
    return {name: _type(sync) for name, sync in proxy.types.items()}


def _type(sync: TypeSync) -> Json:
    return {
        "state": sync.state.value,
        "version": sync.version,
        "since": sync.since.isoformat() if sync.since else None,
        "resources": sync.resources,
        "rejected": [{"name": name, "reason": reason} for name, reason in sync.rejected],
    }
