"""The manifests of a mesh of any size, in files that can be edited one object at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path
from typing import Final

NAMESPACES: Final = 20
DOMAIN: Final = "svc.cluster.local"
TARGET_PORT: Final = 8080
_PODS: Final = IPv4Address("10.64.0.0")
_SERVICES: Final = IPv4Address("10.32.0.1")
_ADDED: Final = IPv4Address("10.48.0.1")
_DOCUMENTS_A_FILE: Final = 500
ROOT_NAMESPACE: Final = "istio-system"
_TLS_LABEL: Final = {"security.istio.io/tlsMode": "istio"}


@dataclass(frozen=True, slots=True)
class Size:
    """How big a mesh is; ``routes`` are VirtualServices beside the one that is edited, ``rules`` DestinationRules.

    In a ``secured`` one every endpoint is a Pod with an account of its service's own, and takes mutual TLS.
    """

    services: int = 1000
    endpoints: int = 10
    routes: int = 0
    rules: int = 0
    secured: bool = False

    @property
    def objects(self) -> int:
        """How many objects its manifests hold."""
        pods = self.services * self.endpoints if self.secured else 0
        return NAMESPACES + 2 * self.services + self.routes + self.rules + 1 + pods


@dataclass(frozen=True, slots=True)
class Pod:
    """One endpoint's pod, as its sidecar introduces itself; ``token`` is ``""`` for one that proves nothing."""

    name: str
    namespace: str
    address: str
    app: str
    account: str = "default"
    token: str = field(default="", repr=False)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels: of a pod that has a sidecar with an identity, where its account is one of its own."""
        return {"app": self.app, **(_TLS_LABEL if self.account != "default" else {})}

    @property
    def node_id(self) -> str:
        """Its node id, as istio's proxies send it."""
        return f"sidecar~{self.address}~{self.name}.{self.namespace}~{self.namespace}.{DOMAIN}"


class Mesh:
    """A mesh as files in ``folder``. Service 0 is the hot one: its slice and VirtualService have their own files."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.folder = folder
        self.size = size
        self._edits = 0
        self._aside = folder.parent / f".{folder.name}-next"
        self._target = folder

    def write(self) -> None:
        """Write all manifests."""
        self.folder.mkdir(parents=True)
        self._save("namespaces", *(_namespace(number) for number in range(NAMESPACES)))
        services = range(self.size.services)
        self._save_many("services", (_service(number, _SERVICES + number) for number in services))
        self._save_many("endpoints", (self._slice(number) for number in services if number))
        self._save_many("routes", (_route(number, "/v1/") for number in range(1, self.size.routes + 1)))
        self._save_many("rules", (_rule(number) for number in range(1, self.size.rules + 1)))
        self._save("hot-endpoints", self._slice(0), *self._manifests_of(0))
        self._save("hot-route", _route(0, "/bench/"))
        if self.size.secured:
            self._save_many("pods", (each for number in services if number for each in self._manifests_of(number)))
            for namespace in (_namespace_of(1), ROOT_NAMESPACE):
                self.edit_policy(namespace)
                self.publish()

    def pods(self, count: int) -> list[Pod]:
        """``count`` pods, spread over the services and so over the namespaces; never one of the hot service."""
        services = self.size.services - 1
        return [self._pod(1 + number % services, number // services % self.size.endpoints) for number in range(count)]

    def pods_in(self, namespace: int, count: int) -> list[Pod]:
        """The first ``count`` pods of one namespace, the hot service's left out."""
        services = range(namespace or NAMESPACES, self.size.services, NAMESPACES)
        found = (self._pod(service, replica) for service in services for replica in range(self.size.endpoints))
        return list(islice(found, count))

    def all_pods(self) -> list[Pod]:
        """Every pod there is, the hot service's too."""
        each = range(self.size.endpoints)
        return [self._pod(service, replica) for service in range(self.size.services) for replica in each]

    def edit_endpoint(self) -> str:
        """Make ready: one endpoint of the hot service with another address, which is returned."""
        address = str(IPv4Address("10.250.0.1") + self._next())
        self._stage("hot-endpoints", self._slice(0, first=address), *self._manifests_of(0, first=address))
        return address

    def edit_route(self) -> str:
        """Make ready: the hot service's VirtualService with another path, which is returned."""
        path = f"/bench-{self._next():06}/"
        self._stage("hot-route", _route(0, path))
        return path

    def add_service(self) -> tuple[str, str]:
        """Make ready: a new service with one endpoint; its host name and the endpoint's address."""
        turn = self._next()
        number, address = self.size.services + turn, str(IPv4Address("10.251.0.1") + turn)
        pods = [_pod(replace(self._pod(number, 0), address=address))] if self.size.secured else []
        self._stage(f"added-{turn:06}", _service(number, _ADDED + turn), _endpoint_slice(number, [address]), *pods)
        return f"svc-{number}.{_namespace_of(number)}.{DOMAIN}", address

    def edit_policy(self, namespace: str) -> str:
        """Make ready: the AuthorizationPolicy of a namespace, or of the root one, with another path, which is returned.

        It holds for all workloads of its namespace, and the root namespace's for those of the mesh.
        """
        path = f"/policy-{self._next():06}/"
        self._stage(f"hot-policy-{namespace}", _policy(namespace, path))
        return path

    @property
    def edited(self) -> Path:
        """The file that was made ready last."""
        return self._target

    def publish(self) -> None:
        """Put what was made ready in its place: whole or not at all, as editors and kubelets save."""
        self._aside.replace(self._target)

    def _next(self) -> int:
        self._edits += 1
        return self._edits

    def _pod(self, service: int, replica: int) -> Pod:
        address = str(_PODS + service * self.size.endpoints + replica)
        account = f"svc-{service}" if self.size.secured else "default"
        return Pod(f"svc-{service}-{replica}", _namespace_of(service), address, f"svc-{service}", account)

    def _manifests_of(self, service: int, first: str | None = None) -> Iterator[str]:
        """The Pods of a service, in a secured mesh; the first, if need be, at another address."""
        for replica in range(self.size.endpoints if self.size.secured else 0):
            pod = self._pod(service, replica)
            yield _pod(replace(pod, address=first) if first and not replica else pod)

    def _slice(self, service: int, first: str | None = None) -> str:
        addresses = [self._pod(service, replica).address for replica in range(self.size.endpoints)]
        return _endpoint_slice(service, [first or addresses[0], *addresses[1:]])

    def _save(self, name: str, *documents: str) -> None:
        self._stage(name, *documents)
        self.publish()

    def _stage(self, name: str, *documents: str) -> None:
        self._aside.write_text("---\n".join(documents))
        self._target = self.folder / f"{name}.yaml"

    def _save_many(self, name: str, documents: Iterator[str]) -> None:
        number = 0
        while some := list(islice(documents, _DOCUMENTS_A_FILE)):
            self._save(f"{name}-{number:03}", *some)
            number += 1


def _namespace_of(service: int) -> str:
    return f"ns-{service % NAMESPACES}"


def _namespace(number: int) -> str:
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: ns-{number}, labels: {{istio-injection: enabled}}}}\n"


def _service(number: int, address: IPv4Address) -> str:
    return f"""apiVersion: v1
kind: Service
metadata: {{name: svc-{number}, namespace: {_namespace_of(number)}}}
spec:
  clusterIP: {address}
  selector: {{app: svc-{number}}}
  ports: [{{name: http, port: 80, targetPort: {TARGET_PORT}}}]
"""


def _endpoint_slice(service: int, addresses: list[str]) -> str:
    endpoints = "\n".join(f"- {{addresses: [{address}], conditions: {{ready: true}}}}" for address in addresses)
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: svc-{service}-slice
  namespace: {_namespace_of(service)}
  labels: {{kubernetes.io/service-name: svc-{service}}}
addressType: IPv4
ports: [{{name: http, port: {TARGET_PORT}, protocol: TCP}}]
endpoints:
{endpoints}
"""


def _pod(pod: Pod) -> str:
    labels = ", ".join(f"{name}: {value}" for name, value in pod.labels.items())
    return f"""apiVersion: v1
kind: Pod
metadata: {{name: {pod.name}, namespace: {pod.namespace}, labels: {{{labels}}}}}
spec: {{serviceAccountName: {pod.account}, containers: [{{name: app, image: app}}]}}
status: {{phase: Running, podIP: {pod.address}}}
"""


def _policy(namespace: str, path: str) -> str:
    return f"""apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {{name: bench, namespace: {namespace}}}
spec:
  action: ALLOW
  rules:
  - from: [{{source: {{namespaces: [ns-0, ns-1, ns-2, ns-3, ns-4]}}}}]
    to: [{{operation: {{methods: [GET], paths: ["/bench/*", "{path}*"]}}}}]
"""


def _route(service: int, path: str) -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: svc-{service}, namespace: {_namespace_of(service)}}}
spec:
  hosts: [svc-{service}]
  http:
  - match: [{{uri: {{prefix: {path}}}}}]
    timeout: 3s
    route: [{{destination: {{host: svc-{service}}}}}]
  - route: [{{destination: {{host: svc-{service}}}}}]
"""


def _rule(service: int) -> str:
    return f"""apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: svc-{service}, namespace: {_namespace_of(service)}}}
spec:
  host: svc-{service}
  trafficPolicy: {{loadBalancer: {{simple: LEAST_REQUEST}}, connectionPool: {{tcp: {{maxConnections: 100}}}}}}
"""
