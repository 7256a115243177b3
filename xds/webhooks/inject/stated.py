"""What a pod's annotations say about its proxy's container."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from xds.bootstrap import stats as bootstrap_stats
from xds.bootstrap.stats import STATS_INCLUSION, StatsInclusion
from xds.model.injection import TEMPLATES
from xds.model.interception import MODE, PREFIX
from xds.webhooks.inject.plain import Json, mapping
from xds.webhooks.inject.probes import REWRITE
from xds.webhooks.inject.proxy_config import ANNOTATION as PROXY_CONFIG
from xds.webhooks.inject.subject import Subject

_READINESS: Final = "readiness.status.sidecar.istio.io/"
_OWN: Final = "sidecar.istio.io/"
_QUANTITY: Final = re.compile(r"\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?")
_RESOURCES: Final = {
    "proxyCPU": ("requests", "cpu"),
    "proxyMemory": ("requests", "memory"),
    "proxyCPULimit": ("limits", "cpu"),
    "proxyMemoryLimit": ("limits", "memory"),
}
_PREFIXES: Final = (_OWN, PREFIX, _READINESS, "status.sidecar.istio.io/", "proxy.istio.io/", "inject.istio.io/")
_READ: Final = frozenset(
    {
        *(_OWN + word for word in (*_RESOURCES, "inject", "proxyImage", "logLevel", "componentLogLevel")),
        *(_OWN + word for word in ("userVolume", "userVolumeMount", "nativeSidecar")),
        *STATS_INCLUSION,
        *(PREFIX + word for word in ("includeInboundPorts", "excludeInboundPorts", "excludeInterfaces")),
        *(PREFIX + word for word in ("includeOutboundIPRanges", "excludeOutboundIPRanges")),
        *(PREFIX + word for word in ("includeOutboundPorts", "excludeOutboundPorts")),
        *(_READINESS + word for word in ("initialDelaySeconds", "periodSeconds", "failureThreshold")),
        MODE,
        PROXY_CONFIG,
        REWRITE,
        TEMPLATES,
    }
)


def warn_of_unread(subject: Subject) -> None:
    """Note each annotation about sidecars that is not carried out. Problems: annotation.not-read."""
    for key in sorted(subject.annotations):
        if key.startswith(_PREFIXES) and key not in _READ:
            message = "is not carried out: the proxy is stock Envoy, or nothing of that name is known"
            subject.warn(subject.annotation(key), "annotation.not-read", message)


def resources(subject: Subject) -> Json:
    """``resources`` of the proxy: any annotation about them replaces all defaults. Problems: annotation.quantity."""
    own: Json = {}
    for word, (kind, name) in _RESOURCES.items():
        amount = subject.annotations.get(_OWN + word, "").strip()
        if not amount:
            continue
        if not _QUANTITY.fullmatch(amount):
            message = f"{amount!r} is no quantity: must be like 100m, 0.5 or 128Mi"
            subject.found.add(subject.annotation(_OWN + word), "annotation.quantity", message)
            continue
        own.setdefault(kind, {})[name] = amount
    return own or {kind: dict(amounts) for kind, amounts in subject.settings.resources.items()}


def more_stats(subject: Subject) -> StatsInclusion:
    """The statistics that the pod, or its ProxyConfig, wants kept beside the usual. Problems: annotation.regex."""
    own = bootstrap_stats.stated(subject.annotations)
    for regexp, why in own.refused().items():
        subject.warn(
            subject.annotation(bootstrap_stats.REGEXPS), "annotation.regex", f"{regexp!r} is no RE2 expression: {why}"
        )
    wanted = subject.proxy_config.proxy_stats_matcher
    if wanted is not None:
        own = own.and_also(
            StatsInclusion(wanted.inclusion_prefixes, wanted.inclusion_suffixes, wanted.inclusion_regexps)
        )
    return own.without_refused()


def whole_number(subject: Subject, word: str, default: int) -> int:
    """The number in an annotation about the readiness probe. Problems: annotation.number."""
    key = _READINESS + word
    stated = subject.annotations.get(key, str(default)).strip()
    if stated.isdecimal() and stated.isascii() and len(stated) < 6:
        return int(stated)
    subject.found.add(subject.annotation(key), "annotation.number", f"{stated!r} is no whole number of seconds")
    return default


def word(subject: Subject, name: str, default: str) -> str:
    """The text of an annotation ``sidecar.istio.io/``."""
    return subject.annotations.get(_OWN + name, "").strip() or default


def volumes(subject: Subject) -> list[Json]:
    """The volumes of ``userVolume``, as a list with names or by name. Problems: annotation.json."""
    return list(_named(subject, "userVolume"))


def mounts(subject: Subject) -> list[Json]:
    """Where the proxy's container has those of ``userVolumeMount``. Problems: annotation.json."""
    return list(_named(subject, "userVolumeMount"))


def _named(subject: Subject, word: str) -> Iterator[Json]:
    value = _json(subject, _OWN + word)
    items = [{"name": name, **mapping(each)} for name, each in value.items()] if isinstance(value, dict) else value
    for each in items:
        if isinstance(each, dict) and each.get("name"):
            yield each
        else:
            message = "must be JSON: a list of objects with `name`, or an object by name"
            subject.found.add(subject.annotation(_OWN + word), "annotation.json", message)


def _json(subject: Subject, key: str) -> list[Any] | Json:
    try:
        value = json.loads(subject.annotations.get(key, "") or "[]")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, list | dict) else [value]
