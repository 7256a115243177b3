"""The container ``istio-proxy``: stock Envoy with its whole bootstrap among its arguments."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Any, Final

from xds.bootstrap.envoy import (
    HEALTH_PORT,
    LOG_FLUSH,
    METRICS_PORT,
    ControlPlane,
    OwnPorts,
    bootstrap,
    proxy_environment,
)
from xds.bootstrap.node import ProxyNode
from xds.bootstrap.probes import AppProbes
from xds.model.injection import PROXY
from xds.model.interception import MODE
from xds.webhooks.inject import credentials, draining, stated
from xds.webhooks.inject.plain import Json, mapping, text
from xds.webhooks.inject.redirect import unprivileged
from xds.webhooks.inject.subject import Subject
from xds.webhooks.inject.variables import FIELDS, argument, environment, escaped, value, variable

_METADATA: Final = "ISTIO_META_"
_DRAIN: Final = timedelta(seconds=45)
_CPU: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m?)")
_CONCURRENCY: Final = 2
_LONGEST_BYTES: Final = 120_000  # Linux takes no argument of 128 KiB
# bash is in the stock image. The kubelet starts the next container when this has ended.
_WAIT: Final = f"""\
until exec 3<>/dev/tcp/127.0.0.1/{HEALTH_PORT} \
&& printf 'GET /healthz/ready HTTP/1.1\\r\\nhost: localhost\\r\\n\\r\\n' >&3 \
&& read -r _ status _ <&3 && [ "$status" = 200 ]; do sleep 0.2; done 2>/dev/null"""


def container(subject: Subject, plane: ControlPlane, probes: AppProbes | None) -> Json:
    """The container; ``probes`` are the application's that Envoy answers."""
    resources = stated.resources(subject)
    document = _bootstrap(subject, plane, probes)
    made = {
        "name": PROXY,
        "image": stated.word(subject, "proxyImage", subject.settings.proxy_image),
        # The image's own entry point is a script that changes owners of files.
        "command": ["/usr/local/bin/envoy"],
        "args": _args(subject, resources, document),
        "env": [*environment(), *_of_envoy(document), *_metadata_environment(subject)],
        "ports": [{"containerPort": METRICS_PORT, "name": "http-envoy-prom", "protocol": "TCP"}],
        "resources": resources,
        "securityContext": unprivileged(),
        "volumeMounts": [credentials.mount(), *stated.mounts(subject)],
        "readinessProbe": _readiness(subject),
        "startupProbe": {**_ready(), "periodSeconds": 1, "failureThreshold": 600, "timeoutSeconds": 3},
    }
    if subject.native:
        return {**made, "restartPolicy": "Always"}
    return {**made, "lifecycle": _lifecycle(subject)}


def holds(subject: Subject) -> bool:
    """Whether the application starts when the proxy is ready, not beside it."""
    return bool(subject.proxy_config.hold_application_until_proxy_starts) and not (subject.native or subject.gateway)


def _bootstrap(subject: Subject, plane: ControlPlane, probes: AppProbes | None) -> Json:
    config, settings = subject.proxy_config, subject.settings
    mode = "REDIRECT" if subject.annotations.get(MODE, config.interception_mode) != "NONE" else "NONE"
    own = {key.removeprefix(_METADATA): text for key, text in _proxy_metadata(subject) if key.startswith(_METADATA)}
    metadata: dict[str, Any] = {
        "INSTANCE_IPS": variable("INSTANCE_IPS"),
        "NODE_NAME": variable("NODE_NAME"),
        "APP_CONTAINERS": ",".join(text(each.get("name")) for each in subject.containers),
        "OWNER": f"kubernetes://{subject.workload.kind}/{subject.workload.name}",
        **({"NETWORK": settings.network} if settings.network else {}),
        **({"MESH_ID": config.mesh_id} if config.mesh_id else {}),
        **own,
    }
    node = ProxyNode(
        kind="router" if subject.gateway else "sidecar",
        namespace=variable("POD_NAMESPACE"),
        name=variable("POD_NAME"),
        addresses=(variable("INSTANCE_IP"),),
        labels=subject.labels,
        service_account=variable("SERVICE_ACCOUNT"),
        cluster_id=settings.cluster_id,
        domain=settings.domain,
        workload=subject.workload.name,
        interception_mode=mode,
        metadata=metadata,
    )
    ports = OwnPorts(address="::") if settings.ipv6 else OwnPorts()
    return bootstrap(node, plane, ports, probes=probes, more_stats=stated.more_stats(subject))


def _args(subject: Subject, resources: Json, document: Json) -> list[str]:
    settings = subject.settings
    drain = subject.proxy_config.drain_duration
    words = {
        "--log-level": stated.word(subject, "logLevel", settings.log_level),
        "--component-log-level": stated.word(subject, "componentLogLevel", settings.component_log_level),
        "--drain-time-s": str((_DRAIN if drain is None else drain) // timedelta(seconds=1)),
        "--drain-strategy": "immediate",
    }
    workers = _concurrency(subject, resources)
    bootstrap_text = argument(document)
    if len(bootstrap_text.encode(errors="replace")) > _LONGEST_BYTES:
        message = f"have so many probes and labels that the proxy's arguments exceed {_LONGEST_BYTES} bytes"
        subject.found.add(subject.at / "spec.containers", "bootstrap.too-long", message)
    args = ["--config-yaml", bootstrap_text, "--disable-hot-restart", *LOG_FLUSH]
    args += ["--concurrency", str(workers)] if workers else []
    return [*args, *(escaped(word) for pair in words.items() for word in pair)]


def _concurrency(subject: Subject, resources: Json) -> int:
    """Worker threads: as stated, else as many as its CPU limit has cores; 0 is as many as the node has."""
    if subject.proxy_config.concurrency is not None:
        return max(0, subject.proxy_config.concurrency)
    limit = _CPU.fullmatch(text(mapping(resources.get("limits")).get("cpu")))
    if limit is None:
        return _CONCURRENCY
    return max(1, math.ceil(float(limit[1]) / (1000 if limit[2] else 1)))


def _proxy_metadata(subject: Subject) -> list[tuple[str, str]]:
    return sorted(subject.proxy_config.proxy_metadata.items())


def _of_envoy(document: Json) -> list[Json]:
    stated = proxy_environment(document)
    return [{"name": name, "value": value(text)} for name, text in stated.items()]


def _metadata_environment(subject: Subject) -> list[Json]:
    return [{"name": key, "value": escaped(text)} for key, text in _proxy_metadata(subject) if key not in FIELDS]


def _ready() -> Json:
    return {"httpGet": {"path": "/healthz/ready", "port": HEALTH_PORT, "scheme": "HTTP"}}


def _readiness(subject: Subject) -> Json:
    return {
        **_ready(),
        "initialDelaySeconds": stated.whole_number(subject, "initialDelaySeconds", 0),
        "periodSeconds": stated.whole_number(subject, "periodSeconds", 15),
        "failureThreshold": stated.whole_number(subject, "failureThreshold", 4),
        "timeoutSeconds": 3,
    }


def _lifecycle(subject: Subject) -> Json:
    """Nobody ends Envoy gently: so it goes on while others learn that the pod is going. And the waiting, if wanted."""
    hooks = draining.sleep(subject)
    if holds(subject):
        hooks["postStart"] = {"exec": {"command": ["/bin/bash", "-c", _WAIT]}}
    return hooks
