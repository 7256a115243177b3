"""How users name the two sides of a call, and which pods and services they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from xds.explain.arrivals import Arrival, Caller, LeadingPort, arrivals, called, direct, leading_ports
from xds.explain.path.dialled import Dialled
from xds.explain.request import HttpRequest
from xds.failure import Failure
from xds.local.state import WORKLOAD_KINDS
from xds.model.families import is_ip
from xds.model.refs import ObjectRef
from xds.model.service import Service
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.graph import Graph, call
from xds.why.mesh import KnownMesh
from xds.why.target import Candidate, choose


@dataclass(frozen=True, slots=True)
class Source:
    """Who calls, and what to call it."""

    name: str
    caller: Caller


@dataclass(frozen=True, slots=True)
class Destination:
    """What is called: a service's port, or (``service`` None) an address, or a name that no service has.

    ``address`` is what the caller connects to, empty where nobody here knows; ``tls`` is whether it speaks TLS itself.
    ``only`` are the addresses of the one pod that is meant, if one is; ``arrivals`` is where calls come to whose caller
    has no proxy.
    """

    host: str
    port: int
    service: ObjectRef | None
    arrivals: tuple[Arrival, ...] = ()
    address: str = ""
    tls: bool = False
    only: tuple[str, ...] = ()

    def dialled(self, http: HttpRequest) -> Dialled:
        """What the caller's application does."""
        return Dialled(self.host, self.port, self.address, http, self.host if self.tls else "")


class Parties:
    """The pods and services of a mesh by the names that users have for them. Errors of every method: Failure."""

    def __init__(self, known: KnownMesh, graph: Graph, namespace: str) -> None:
        self._graph = graph
        self._namespace = namespace
        self._candidates: Mapping[Candidate, tuple[str, str]] = {pod: (pod.namespace, pod.name) for pod in known.pods}
        self._routers = known.routers

    def source(self, text: str, *, plaintext: bool, address: str) -> Source:
        """Who ``shop/web``, ``web -n shop``, ``deploy/web``, ``sa:shop/web`` or an address is."""
        if address and not is_ip(address):
            raise Failure(f"--ip {address}: must be an IP address")
        if text.startswith("sa:"):
            stated, slash, account = text.removeprefix("sa:").rpartition("/")
            if not account or (slash and not stated):
                raise Failure(f"{text}: must be sa:NAMESPACE/ACCOUNT")
            namespace = stated or self._namespace or "default"
            name = f"service account {namespace}/{account}"
            return Source(name, Caller(namespace, account, address, proven=not plaintext))
        if is_ip(text):
            pod: Workload | None = self._first(Table.ADDRESS, str(ip_address(text)))
            if pod is None:
                return Source(text, Caller(self._namespace or "default", address=address or text, proven=False))
        else:
            pod = self._pod(text, self._namespace)
        here = address or next(iter(pod.addresses), "")
        router = (pod.namespace, pod.ref.name) in self._routers
        proven = (router or pod.proxied) and not plaintext
        caller = Caller(pod.namespace, pod.service_account, here, pod.labels, proven, pod.ref.name, router)
        return Source(label_of(pod), caller)

    def destination(self, text: str, caller: Caller, *, tls: bool | None = None) -> Destination:
        """What ``web``, ``web.other:8080``, ``shop/web-1:80`` or ``10.0.0.7:80`` means to the caller.

        ``tls`` is whether a URL says https; None where none was given.
        """
        host, port = _split(text)
        if tls is not None:
            port = port or (443 if tls else 80)
        if is_ip(host):
            pod: Workload | None = self._first(Table.ADDRESS, str(ip_address(host)))
            if pod is None:
                number = self._needed(text, port)
                found = self._direct(host, number)
                return Destination(host, number, None, found, host, bool(tls))
            return self._of_pod(text, pod, port, caller)
        service: Service | None = None if "/" in host else self._graph.get(call(called, host, caller.namespace))
        if service is None:
            if "/" not in host and (tls is not None or "." in host or caller.router):
                return self._unknown(host, port or 80, tls=bool(tls))
            return self._of_pod(text, self._destined_pod(host, caller), port, caller)
        if caller.router:
            port = port or (service.ports[0].number if len(service.ports) == 1 else 80)
        number = port or _only_port(text, service)
        return self._of_service(text, host, service, number, tls)

    def _of_service(self, text: str, host: str, service: Service, number: int, tls: bool | None) -> Destination:
        port = service.port(number)
        if port is None:
            known = ", ".join(str(each.number) for each in service.ports) or "none"
            raise Failure(f"{text}: {service.ref} has no port {number}; it has {known}")
        found: tuple[Arrival, ...] = self._graph.get(call(arrivals, service.key, number))
        return Destination(
            host, number, service.ref, found, _address(service, found), port.protocol.is_tls if tls is None else tls
        )

    def _unknown(self, host: str, port: int, *, tls: bool) -> Destination:
        """A name that the caller sees no service of; the address of one that others see is its address all the same."""
        rows: tuple[Service, ...] = self._graph.snapshot.rows(Table.HOST, host)
        hidden = next(iter(rows), None)
        found: tuple[Arrival, ...] = ()
        if hidden is not None and hidden.port(port) is not None:
            found = self._graph.get(call(arrivals, hidden.key, port))
        return Destination(host, port, None, found, _address(hidden, found) if hidden is not None else "", tls)

    def _destined_pod(self, host: str, caller: Caller) -> Workload:
        try:
            return self._pod(host, caller.namespace)
        except Failure as error:
            if "/" in host:
                raise
            raise Failure(f"{host!r} is no service that {caller.namespace} sees, and no pod: {error}") from None

    def _of_pod(self, text: str, pod: Workload, port: int, caller: Caller) -> Destination:
        """A call to a pod is one to the service in front of it; without one, to the pod's address."""
        leading: tuple[LeadingPort, ...] = self._graph.get(call(leading_ports, pod))
        if not port and len({way.target for way in leading}) > 1:
            ports = ", ".join(sorted({str(way.target) for way in leading}))
            raise Failure(f"{text}: say which port, as in {text}:{leading[0].target}; services lead to {ports}")
        way = next((way for way in leading if port in {0, way.target}), None) or next(
            (way for way in leading if port == way.port), None
        )
        if way is None:
            number, address = self._needed(text, port), next(iter(pod.addresses), "")
            return Destination(address or text, number, None, self._direct(address, number), address)
        service: Service = self._graph.snapshot.rows(Table.SERVICE, way.service)[0]
        found = self._of_service(text, service.hostname, service, way.port, None)
        own = tuple(each for each in found.arrivals if each.address in pod.addresses)
        return replace(found, arrivals=own, only=pod.addresses)

    def _direct(self, address: str, port: int) -> tuple[Arrival, ...]:
        return (self._graph.get(call(direct, address, port)),)

    def _needed(self, text: str, port: int) -> int:
        if not port:
            raise Failure(f"{text}: say which port, as in {text}:8080; no service leads to it")
        return port

    def _pod(self, text: str, here: str) -> Workload:
        before, slash, after = text.partition("/")
        kind = slash and before.lower() in {*WORKLOAD_KINDS, "deployments.apps"}
        name, namespace = (after, before) if slash and not kind else (text, here)
        tries = [name] if kind else [name, *(f"{word}/{name}" for word in ("deploy", "sts", "job"))]
        refused: list[Failure] = []
        for each in tries:
            try:
                key = self._candidates[choose(each, namespace, self._candidates)]
            except Failure as error:
                refused.append(error)
            else:
                pod: Workload = self._first(Table.WORKLOAD, key)
                return pod
        raise refused[0]

    def _first(self, table: Table, key: Any) -> Any:
        rows = self._graph.snapshot.rows(table, key)
        return rows[0] if rows else None


def _address(service: Service, found: tuple[Arrival, ...]) -> str:
    """The address that a client connects to: the service's, or else one behind it."""
    own = next((each for each in service.addresses if "/" not in each), "")
    return own or next((each.address for each in found if is_ip(each.address)), "")


def label_of(pod: Workload) -> str:
    """A pod as people name it: ``shop/web-1``."""
    return f"{pod.namespace}/{pod.ref.name}"


def _split(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or is_ip(text):
        return text, 0
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise Failure(f"{text}: {port!r} is no port; must be HOST or HOST:PORT")
    return host.strip("[]"), int(port)


def _only_port(text: str, service: Service) -> int:
    if len(service.ports) == 1:
        return service.ports[0].number
    known = ", ".join(f"{each.number} ({each.name or each.protocol.value})" for each in service.ports)
    raise Failure(f"{text}: say which port, as in {text}:{service.ports[0].number if service.ports else 80}: {known}")
