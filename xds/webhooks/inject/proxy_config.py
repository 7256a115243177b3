"""The annotation ``proxy.istio.io/config``: settings of one pod's proxy, over the mesh's."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from xds.decoders.shape.faults import faults
from xds.decoders.shape.yaml_values import YamlFault, read_values
from xds.kinds.proxy_config import ProxyConfig
from xds.kinds.quantities import decode_hook
from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef

ANNOTATION: Final = "proxy.istio.io/config"
_CARRIED_OUT: Final = frozenset(
    {
        "concurrency",
        "discoveryAddress",
        "drainDuration",
        "holdApplicationUntilProxyStarts",
        "interceptionMode",
        "meshId",
        "proxyMetadata",
        "proxyStatsMatcher",
        "terminationDrainDuration",
    }
)


def overlaid(mesh: ProxyConfig, annotation: str, at: FieldRef, found: Problems) -> ProxyConfig:
    """The settings of a pod whose annotation is that (empty: none); ``proxyMetadata`` is merged by name.

    Problems: proxy-config.invalid (and the mesh's are answered), proxy-config.not-read.
    """
    plain = _plain(annotation, at, found)
    if not plain:
        return mesh
    for key in sorted(plain.keys() - _CARRIED_OUT):
        found.add(at, "proxy-config.not-read", f"{key} is not read: the proxy is stock Envoy", Severity.WARNING)
    own = msgspec.convert(plain, ProxyConfig, dec_hook=decode_hook)
    stated = {
        field.name: getattr(own, field.name) for field in msgspec.structs.fields(own) if field.encode_name in plain
    }
    if "proxy_metadata" in stated:
        stated["proxy_metadata"] = {**mesh.proxy_metadata, **own.proxy_metadata}
    return msgspec.structs.replace(mesh, **stated)


def _plain(annotation: str, at: FieldRef, found: Problems) -> dict[str, Any]:
    try:
        values, _ = read_values(annotation)
    except YamlFault as fault:
        found.add(at, "proxy-config.invalid", f"is no YAML: {fault.message}")
        return {}
    value = values[0] if values else None
    if value is None:
        return {}
    if not isinstance(value, dict):
        found.add(at, "proxy-config.invalid", "must be a mapping, like `concurrency: 2`")
        return {}
    plain = {key: each for key, each in value.items() if each is not None}
    wrong = faults(plain, ProxyConfig)  # type: ignore[arg-type]
    for path, _, message in wrong:
        field = ".".join(map(str, path))
        found.add(at, "proxy-config.invalid", f"{field}: {message}" if field else message)
    return {} if wrong else plain
