"""A pod while it is injected: what it asked for, and where findings about it go."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from xds.kinds.proxy_config import ProxyConfig
from xds.model.injection import PROXY
from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.well_known import TEMPLATE_HASH
from xds.webhooks.inject.plain import Json, mapping, mappings, text, texts
from xds.webhooks.inject.settings import InjectionSettings

INIT: Final = "istio-init"
VALIDATION: Final = "istio-validation"
_OF_CRON_JOB: Final = re.compile(r"(.+)-\d{8,10}")
_TRUE: Final = frozenset({"true", "1", "t", "yes", "y", "on"})
_FALSE: Final = frozenset({"false", "0", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class Workload:
    """What a pod is one of: a Deployment, a CronJob, or the pod itself."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Subject:
    """The pod as it was, ``proxy_config`` as its annotations make it, and ``found`` for findings.

    ``gateway``: it is a proxy for others, with the container ``istio-proxy`` alone.
    """

    pod: Json
    namespace: str
    workload: Workload
    settings: InjectionSettings
    proxy_config: ProxyConfig
    gateway: bool
    at: FieldRef
    found: Problems

    @property
    def spec(self) -> Json:
        """``spec``."""
        return mapping(self.pod.get("spec"))

    @property
    def labels(self) -> Mapping[str, str]:
        """``metadata.labels``."""
        return texts(mapping(self.pod.get("metadata")).get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """``metadata.annotations``."""
        return texts(mapping(self.pod.get("metadata")).get("annotations"))

    @property
    def containers(self) -> list[Json]:
        """The user's containers, without one that only changes the proxy."""
        return [each for each in mappings(self.spec.get("containers")) if each.get("name") != PROXY]

    @property
    def init_containers(self) -> list[Json]:
        """The user's init containers, without one that only changes the proxy."""
        return [each for each in mappings(self.spec.get("initContainers")) if each.get("name") != PROXY]

    @property
    def native(self) -> bool:
        """Whether the proxy is an init container that stays; so it is where the pod has others, which need it."""
        stated = self.annotations.get("sidecar.istio.io/nativeSidecar")
        known = None if stated is None else truth(stated)
        if known is None:
            stays = any(each.get("restartPolicy") == "Always" for each in self.init_containers)
            known = self.settings.native_sidecars or stays
        return known and not self.gateway

    def where(self, container: Json) -> FieldRef:
        """Where one of its containers stands."""
        for kind in ("initContainers", "containers"):
            every = self.spec.get(kind)
            for index, each in enumerate(every if isinstance(every, list) else ()):
                if each is container:
                    return self.at / "spec" / kind / index
        return self.at / "spec.containers"

    def annotation(self, key: str) -> FieldRef:
        """Where an annotation stands."""
        return (self.at / "metadata.annotations").key(key)

    def warn(self, at: FieldRef, code: str, message: str) -> None:
        """Note what is not as its author may think."""
        self.found.add(at, code, message, Severity.WARNING)


def truth(word: str) -> bool | None:
    """What a word says; None when it says neither."""
    word = word.strip().lower()
    return word in _TRUE if word in _TRUE | _FALSE else None


def reference(pod: Mapping[str, Any], namespace: str) -> FieldRef:
    """How findings name a pod, which may have no name yet."""
    metadata = mapping(pod.get("metadata"))
    name = text(metadata.get("name")) or text(metadata.get("generateName"))
    return FieldRef(ObjectRef("", "Pod", namespace, name))


def workload_of(pod: Json) -> Workload:
    """The workload of a pod: its controller, or that one's (a ReplicaSet's Deployment, a Job's CronJob)."""
    metadata = mapping(pod.get("metadata"))
    owner = next((each for each in mappings(metadata.get("ownerReferences")) if each.get("controller")), {})
    kind, name = text(owner.get("kind")), text(owner.get("name"))
    if not kind or not name:
        return Workload("Pod", text(metadata.get("name")) or text(metadata.get("generateName")).rstrip("-"))
    suffix = texts(metadata.get("labels")).get(TEMPLATE_HASH, "")
    if kind == "ReplicaSet" and suffix and name.endswith(f"-{suffix}"):
        return Workload("Deployment", name.removesuffix(f"-{suffix}"))
    timed = _OF_CRON_JOB.fullmatch(name) if kind == "Job" else None
    return Workload("CronJob", timed[1]) if timed else Workload(kind, name)
