"""What is made for a Gateway: its author decides ports, labels and the Service's type, and nothing else."""

from __future__ import annotations

from typing import Any

import msgspec

from xds.controllers.gateway_api.addresses import Reached, is_managed, reached
from xds.controllers.gateway_api.gateway_objects import Json, objects_for
from xds.controllers.gateway_api.names import made_for
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.gateway_api.gateway import Gateway
from xds.kinds.service import Service
from xds.model.refs import ObjectRef
from xds.webhooks.inject import InjectionSettings, inject
from xds.webhooks.inject.subject import Workload

NAME = "gateway.networking.k8s.io/gateway-name"


def gateway(annotations: dict[str, str] | None = None, name: str = "edge", **spec: Any) -> Gateway:
    http = {"name": "http", "port": 80, "protocol": "HTTP"}
    metadata = {"name": name, "namespace": "shop", "uid": "u-1", "annotations": annotations or {}}
    stated = {"gatewayClassName": "plait", "listeners": [http], **spec}
    return msgspec.convert({"metadata": metadata, "spec": stated}, Gateway)


def make_pod(pod: Json, namespace: str, deployment: str) -> Json | None:
    return inject(pod, namespace, InjectionSettings(), Workload("Deployment", deployment)).pod


def made(of: Gateway) -> dict[str, Json]:
    return {each["kind"]: each for each in objects_for(of, make_pod)}


def test_an_account_a_deployment_and_a_service_that_go_with_the_gateway() -> None:
    found = made(gateway())
    assert list(found) == ["ServiceAccount", "Deployment", "Service"]
    for each in found.values():
        metadata = each["metadata"]
        assert (metadata["name"], metadata["namespace"], metadata["labels"][NAME]) == ("edge-plait", "shop", "edge")
        assert [(owner["kind"], owner["uid"]) for owner in metadata["ownerReferences"]] == [("Gateway", "u-1")]
    template = found["Deployment"]["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "edge-plait"
    assert found["Service"]["spec"]["selector"].items() <= template["metadata"]["labels"].items()


def test_the_pod_is_a_stock_envoy_without_rights() -> None:
    pod = made(gateway())["Deployment"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["image"] == InjectionSettings().proxy_image
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert "initContainers" not in pod["spec"]
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"  # the webhook leaves it as it is
    assert "router~" in container["args"][1]


def test_one_port_for_every_number() -> None:
    listeners = [
        {"name": "a", "port": 443, "protocol": "HTTPS"},
        {"name": "b", "port": 443, "protocol": "TLS"},
        {"name": "c", "port": 80, "protocol": "HTTP"},
        {"name": "d", "port": 81, "protocol": "example.com/Own_Protocol"},
    ]
    ports = made(gateway(listeners=listeners))["Service"]["spec"]["ports"]
    assert [(each["name"], each["port"], each["targetPort"]) for each in ports] == [
        ("http-80", 80, 80),
        ("examplec-81", 81, 81),
        ("https-443", 443, 443),
    ]


def test_labels_and_annotations_are_those_that_it_wishes_but_none_that_decides_what_a_pod_may_do() -> None:
    hostile = {
        "sidecar.istio.io/proxyImage": "evil/image",
        "proxy.istio.io/config": "{}",
        "iam.amazonaws.com/role": "admin",
        "k8s.v1.cni.cncf.io/networks": "other",
        "container.apparmor.security.beta.kubernetes.io/istio-proxy": "unconfined",
    }
    infrastructure = {"labels": {"team": "a", NAME: "other"}, "annotations": {"note": "b", **hostile}}
    found = made(gateway(infrastructure=infrastructure))
    pod = found["Deployment"]["spec"]["template"]
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["labels"][NAME] == "edge"
    assert pod["metadata"]["annotations"]["note"] == "b"
    assert not hostile.keys() & pod["metadata"]["annotations"].keys()
    assert "evil/image" not in str(pod)
    assert found["Service"]["metadata"]["annotations"].keys() >= hostile.keys()
    assert not hostile.keys() & found["ServiceAccount"]["metadata"]["annotations"].keys()


def test_ports_of_listeners_that_others_add() -> None:
    found = {each["kind"]: each for each in objects_for(gateway(), make_pod, [(9090, "TCP"), (80, "HTTP")])}
    assert [each["port"] for each in found["Service"]["spec"]["ports"]] == [80, 9090]


def test_the_type_of_its_service() -> None:
    words = {"": "LoadBalancer", "ClusterIP": "ClusterIP", "NodePort": "NodePort", "ExternalName": "LoadBalancer"}
    for word, kind in words.items():
        stated = gateway({"networking.istio.io/service-type": word})
        assert made(stated)["Service"]["spec"]["type"] == kind


def test_a_long_name_is_cut_and_stays_unlike_others() -> None:
    long, other = "g" * 80 + "1", "g" * 80 + "2"
    assert len(made_for(long, "plait")) == 63
    assert made_for(long, "plait") != made_for(other, "plait")


def service(name: str = "edge-plait", ingress: list[dict[str, str]] | None = None, **spec: Any) -> Service:
    status = {"loadBalancer": {"ingress": ingress or []}}
    metadata = {"name": name, "namespace": "shop"}
    return msgspec.convert({"metadata": metadata, "spec": {"clusterIP": "10.0.0.7", **spec}, "status": status}, Service)


def endpoints(name: str = "edge-plait", *, ready: bool | None = True) -> EndpointSlice:
    return msgspec.convert(
        {
            "metadata": {"name": "x", "namespace": "shop", "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": ready}}],
        },
        EndpointSlice,
    )


def where(of: Gateway, *services: Service, slices: tuple[EndpointSlice, ...] = ()) -> Reached:
    known = {ObjectRef("", "Service", "shop", each.metadata.name): each for each in services}
    return reached(of, known.get, slices, "cluster.local")


def test_it_is_reached_where_its_service_is() -> None:
    assert where(gateway()).addresses == ()
    assert where(gateway(), service()).addresses == (("IPAddress", "10.0.0.7"),)
    assert not where(gateway(), service(), slices=(endpoints(ready=False), endpoints("other"))).ready
    outside = service(ingress=[{"ip": "192.0.2.1"}, {"hostname": "lb.example"}])
    found = where(gateway(), outside, slices=(endpoints(),))
    assert found.addresses == (("IPAddress", "192.0.2.1"), ("Hostname", "lb.example"))
    assert found.ready


def test_an_address_that_it_asks_for_is_used_or_said_not_to_be() -> None:
    asks = gateway(addresses=[{"type": "IPAddress", "value": "192.0.2.1"}])
    assert made(asks)["Service"]["spec"]["loadBalancerIP"] == "192.0.2.1"
    assert where(asks, service(), slices=(endpoints(),)).unusable
    assert not where(asks, service(ingress=[{"ip": "192.0.2.1"}]), slices=(endpoints(),)).unusable
    assert not where(gateway(addresses=[{"type": "IPAddress"}]), service(), slices=(endpoints(),)).unusable


def test_a_gateway_that_names_a_service_has_its_proxies_already() -> None:
    names = gateway(addresses=[{"type": "Hostname", "value": "mine.shop.svc.cluster.local"}])
    assert not is_managed(names)
    assert where(names).unusable
    found = where(names, service("mine"), slices=(endpoints("mine"),))
    assert found == Reached((("IPAddress", "10.0.0.7"),), ready=True, managed=False)
    foreign = gateway(addresses=[{"type": "Hostname", "value": "mine.other.svc.cluster.local"}])
    assert where(foreign, service("mine")).unusable
