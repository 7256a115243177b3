"""From manifests to pods to run, and from running pods to the objects that a cluster would hold."""

from __future__ import annotations

from tests.objects import written
from xds.kinds.endpoint_slice import EndpointSlice
from xds.kinds.pod import Pod
from xds.kinds.service import Service
from xds.kinds.service_entry import ServiceEntry
from xds.local.addresses import SERVICE_NETWORK
from xds.local.cluster import addressed, endpoint_slices, running_pod
from xds.local.directory import entry_hosts, local_services
from xds.local.pods import ContainerPort, HttpGet, Phase, PodSpec, PodStatus, Restart
from xds.local.workloads import pod_specs
from xds.model.refs import ObjectRef

MANIFESTS = """
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: plait/echo
        ports: [{name: http, containerPort: 8080}]
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        readinessProbe: {httpGet: {path: /ready, port: http}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  template: {metadata: {labels: {app: db, sidecar.istio.io/inject: "false"}}, spec: {containers: [{name: db}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: shop}
spec: {template: {spec: {containers: [{name: once, command: ["true"]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop}
spec: {hosts: [out.example.com], ports: [{number: 443, name: tls}], resolution: DNS}
"""


def running(spec: PodSpec, ip: str, *, ready: bool = True, terminating: bool = False) -> PodStatus:
    return PodStatus(
        namespace=spec.namespace,
        name=spec.name,
        labels=spec.labels,
        ips=(ip,),
        ready=ready,
        phase=Phase.RUNNING,
        node_name="here",
        service_account=spec.service_account,
        container_ports=spec.container_ports,
        hostname=spec.hostname,
        subdomain=spec.subdomain,
        terminating=terminating,
    )


def test_templates_become_pods() -> None:
    specs = {spec.name: spec for spec in pod_specs(written(MANIFESTS))}
    web = [spec for spec in specs.values() if spec.workload == "web"]
    assert len(web) == 2
    assert all(spec.inject and spec.service_account == "web" for spec in web)
    assert {spec.labels["pod-template-hash"] for spec in web} == {spec.name.split("-")[1] for spec in web}
    (container,) = web[0].containers
    assert container.ports == (ContainerPort(8080, "http"),)
    assert container.readiness is not None
    assert container.readiness.action == HttpGet(8080, "/ready")
    assert container.env[0].field_path == "status.podIP"

    db = specs["db-0"]
    assert (db.hostname, db.subdomain, db.inject) == ("db-0", "db", False)
    (job,) = [spec for spec in specs.values() if spec.workload_kind == "Job"]
    assert job.restart is Restart.ON_FAILURE


def test_services_that_lack_an_address_get_one() -> None:
    found = addressed(written(MANIFESTS), SERVICE_NETWORK)
    web = found[ObjectRef("", "Service", "shop", "web")]
    assert isinstance(web, Service)
    assert web.spec.cluster_ip == web.spec.cluster_ips[0] != ""
    assert ObjectRef("", "Service", "shop", "db") not in found, "headless stays headless"
    (entry,) = [struct for struct in found.values() if isinstance(struct, ServiceEntry)]
    assert entry.spec.addresses[0].startswith("240.240.")
    assert entry_hosts(found.values())[0].host == "out.example.com"


def test_load_balancers_are_reached_at_the_services_own_address() -> None:
    found = addressed(
        written("""
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: shop}
spec: {type: LoadBalancer, ports: [{port: 443}]}
"""),
        SERVICE_NETWORK,
    )
    (edge,) = found.values()
    assert isinstance(edge, Service)
    assert [each.ip for each in edge.status.load_balancer.ingress] == [edge.spec.cluster_ip]


def test_running_pods_become_pods_and_slices() -> None:
    objects = written(MANIFESTS)
    specs = pod_specs(objects)
    web, leaving = [spec for spec in specs if spec.workload == "web"]
    (db,) = [spec for spec in specs if spec.workload == "db"]
    statuses = [running(web, "10.77.0.2"), running(leaving, "10.77.0.3", terminating=True), running(db, "10.77.0.4")]

    ref, pod = running_pod(web, statuses[0], takes_tls=False)
    assert isinstance(pod, Pod)
    assert (ref.name, pod.status.pod_ip, pod.metadata.owner_references[0].name) == (web.name, "10.77.0.2", "web")

    services = {each.ref: each.struct for each in objects if isinstance(each.struct, Service)}
    slices = {ref.name: struct for ref, struct in endpoint_slices(services, statuses)}
    made = slices["web-ipv4-0"]
    assert isinstance(made, EndpointSlice)
    assert [(port.name, port.port) for port in made.ports] == [("http", 8080)]
    by_address = {endpoint.addresses[0]: endpoint.conditions for endpoint in made.endpoints}
    assert by_address["10.77.0.2"].ready
    assert not by_address["10.77.0.3"].ready
    assert by_address["10.77.0.3"].terminating

    known = {service.name: service for service in local_services(services, slices.values())}  # type: ignore[arg-type]
    assert known["web"].ports[0].backends == (("10.77.0.2", 8080),)
    assert known["db"].endpoints[0].hostname == "db-0"
