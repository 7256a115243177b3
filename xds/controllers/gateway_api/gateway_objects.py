"""What is made for a Gateway: an account, a Deployment of routers, and a Service before them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from xds.controllers.gateway_api.names import CLASS_LABEL, made_for
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.gateway_api.references import GROUP
from xds.model.gateway_api import GATEWAY_NAME, shortened
from xds.model.infrastructure import is_plain
from xds.model.injection import INJECT, PROXY, TEMPLATES
from xds.model.network import NETWORK
from xds.model.well_known import OURS

Json = dict[str, Any]

MakePod = Callable[[Json, str, str], Json | None]
"""Makes the pod of a gateway, with its proxy, of one that asks for it in a namespace, for a Deployment of that name."""

SERVICE_TYPE: Final = "networking.istio.io/service-type"
"""The annotation of a Gateway that says the type of its Service; LoadBalancer without it."""

_SERVICE_TYPES: Final = ("LoadBalancer", "ClusterIP", "NodePort")
# What these say is for us or for Kubernetes itself to say: images, volumes, revisions, rights.
_RESERVED: Final = ("istio.io", "kubernetes.io", "k8s.io", "plait.dev")


def objects_for(gateway: Gateway, make_pod: MakePod, added: Iterable[tuple[int, str]] = ()) -> tuple[Json, ...]:
    """The objects, in the order in which they are applied; none where ``make_pod`` can make no proxy.

    ``added`` are ports and protocols of listeners that others have added to the Gateway (ListenerSets).
    The Gateway's author chooses ports, labels, annotations and the Service's type: never an image or a right.
    """
    pod = _pod(gateway, make_pod)
    if pod is None:
        return ()
    account = {**_head("v1", "ServiceAccount", gateway), "automountServiceAccountToken": False}
    return account, _deployment(gateway, pod), _service(gateway, added)


def name_of(gateway: Gateway) -> str:
    """What all of them are called."""
    return made_for(gateway.metadata.name, gateway.spec.gateway_class_name)


def service_type(gateway: Gateway) -> str:
    """The type of its Service; what is no type is not heeded."""
    stated = gateway.metadata.annotations.get(SERVICE_TYPE, "")
    return stated if stated in _SERVICE_TYPES else _SERVICE_TYPES[0]


def _head(api_version: str, kind: str, gateway: Gateway) -> Json:
    labels, annotations = _wished(gateway)
    if kind != "Service":  # there clouds read them
        annotations = _plain(annotations)
    metadata: Json = {
        "name": name_of(gateway),
        "namespace": gateway.metadata.namespace,
        "labels": {**labels, **_own_labels(gateway)},
        "ownerReferences": [_owner(gateway)],
    }
    if annotations:
        metadata["annotations"] = annotations
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _owner(gateway: Gateway) -> Json:
    metadata = gateway.metadata
    version = gateway.api_version or f"{GROUP}/v1"
    return {"apiVersion": version, "kind": "Gateway", "name": metadata.name, "uid": metadata.uid, "controller": True}


def _wished(gateway: Gateway) -> tuple[dict[str, str], dict[str, str]]:
    """The labels and annotations that the Gateway wishes for what is made for it."""
    stated = gateway.spec.infrastructure
    if stated is None:
        return {}, {}
    return dict(sorted(stated.labels.items())), dict(sorted(stated.annotations.items()))


def _own_labels(gateway: Gateway) -> dict[str, str]:
    network = gateway.metadata.labels.get(NETWORK, "")
    return {
        **OURS,
        GATEWAY_NAME: shortened(gateway.metadata.name),
        CLASS_LABEL: shortened(gateway.spec.gateway_class_name),
        **({NETWORK: network} if network else {}),
    }


def _free(wished: Mapping[str, str]) -> dict[str, str]:
    """Those whose key is nobody's who decides what a pod may do."""
    return {key: value for key, value in wished.items() if not _reserved(key)}


def _plain(wished: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in wished.items() if is_plain(key)}


def _reserved(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    return bool(slash) and any(domain == each or domain.endswith(f".{each}") for each in _RESERVED)


def _pod(gateway: Gateway, make_pod: MakePod) -> Json | None:
    """The template of its pods, made as injection makes a gateway's: the webhook leaves it as it is."""
    labels, annotations = _wished(gateway)
    labels, annotations = _free(labels), _plain(annotations)
    pod = {
        "metadata": {
            "labels": {**labels, **_own_labels(gateway)},
            "annotations": {**annotations, TEMPLATES: "gateway"},
        },
        "spec": {
            "serviceAccountName": name_of(gateway),
            "automountServiceAccountToken": False,
            "containers": [{"name": PROXY, "image": "auto"}],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _selector(gateway)},
                }
            ],
        },
    }
    made = make_pod(pod, gateway.metadata.namespace, name_of(gateway))
    if made is None:
        return None
    made["metadata"]["labels"][INJECT] = "false"
    return made


def _selector(gateway: Gateway) -> dict[str, str]:
    return {GATEWAY_NAME: shortened(gateway.metadata.name), CLASS_LABEL: shortened(gateway.spec.gateway_class_name)}


def _deployment(gateway: Gateway, pod: Json) -> Json:
    """How many pods there are is left to who scales it; new ones are ready before old ones go."""
    return {
        **_head("apps/v1", "Deployment", gateway),
        "spec": {
            "selector": {"matchLabels": _selector(gateway)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": pod,
        },
    }


def _service(gateway: Gateway, added: Iterable[tuple[int, str]]) -> Json:
    spec: Json = {
        "type": service_type(gateway),
        "selector": _selector(gateway),
        "ports": list(_ports(gateway, added)),
        "ipFamilyPolicy": "PreferDualStack",
    }
    wished = [each.value for each in gateway.spec.addresses if each.type == "IPAddress" and each.value]
    if wished and spec["type"] == "LoadBalancer":
        spec["loadBalancerIP"] = wished[0]
    return {**_head("v1", "Service", gateway), "spec": spec}


def _ports(gateway: Gateway, added: Iterable[tuple[int, str]]) -> Iterator[Json]:
    """One for every port of the listeners; the same number in the pods."""
    seen: dict[int, str] = {}
    for port, stated in (*((each.port, each.protocol) for each in gateway.spec.listeners), *added):
        seen.setdefault(port, stated)
    for port, stated in sorted(seen.items()):
        protocol = "".join(each for each in stated.lower() if each.isalnum())[:8] or "tcp"
        yield {"name": f"{protocol}-{port}", "port": port, "targetPort": port, "protocol": "TCP"}
