"""Gateways: servers that another gateway's have displaced, routers that nobody is, Secrets that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from xds.model.credential import Credential
from xds.model.gateway import CredentialName, Gateway, GatewaySelector, Server
from xds.model.labels import Labels
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef
from xds.model.service import Service
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view.gateway.credentials import authorities_name, certificate_name, clients_authorities, edge_secret
from xds.view.gateway.edge_ports import Lost, Merged, merged
from xds.view.gateway.routers import age
from xds.view.graph import Read
from xds.view.inbound import pod_port


def check(read: Read, ref: ObjectRef) -> tuple[Problem, ...]:
    """What is wrong with one of Istio's Gateways among the others."""
    gateway: Gateway | None = read.first(Table.GATEWAY, ref)
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    own = next((each for each in rows if each.of == ref), None)
    if gateway is None or own is None:
        return ()
    spec = FieldRef(ref, ("spec",))
    routers = read.get(routers_of, own.selector, own.namespace)
    return (
        *_nobody(read, own, routers, spec),
        *(said(gateway, each) for each in read.get(lost_to, own.selector, own.namespace).get(ref, ())),
        *_unreached(read, gateway, routers),
        *_secrets(read, gateway, routers),
    )


def routers_of(read: Read, selector: Labels, namespace: str) -> tuple[Workload, ...]:
    """The workloads that a gateway is for, as far as it names labels."""
    if not selector:
        return ()
    found = []
    for key in read.keys(Table.WORKLOAD):
        pod: Workload | None = read.first(Table.WORKLOAD, key)
        if pod is not None and selector <= pod.labels and namespace in ("", pod.namespace):
            found.append(pod)
    return tuple(found)


def _nobody(read: Read, own: GatewaySelector, routers: tuple[Workload, ...], spec: FieldRef) -> Iterator[Problem]:
    if own.selector and not routers and read.keys(Table.WORKLOAD):
        wanted = ", ".join(f"{key}={value}" for key, value in sorted(own.selector))
        yield Problem(
            spec / "selector",
            "gateway.nobody-selected",
            f"no workload has {wanted}; the gateway has no effect",
            Severity.WARNING,
        )


def lost_to(read: Read, selector: Labels, namespace: str) -> dict[ObjectRef, tuple[Lost, ...]]:
    """What gateways lose to each other on the routers that this selector is for, by the gateway that loses."""
    found: dict[ObjectRef, list[Lost]] = {}
    for each in read.get(met, selector, namespace).lost:
        found.setdefault(each.placed.gateway, []).append(each)
    return {of: tuple(lost) for of, lost in found.items()}


def met(read: Read, selector: Labels, namespace: str) -> Merged:
    """The servers of all gateways that may have a router in common with this selector, put together."""
    rows: tuple[GatewaySelector, ...] = read.rows(Table.GATEWAY_SELECTOR, "")
    rivals = sorted((each for each in rows if _meet(read, each, selector, namespace)), key=age)
    return merged(read, tuple(each.of for each in rivals), ())


def _meet(read: Read, one: GatewaySelector, selector: Labels, namespace: str) -> bool:
    """Whether some router may be both: what a gateway is for, and what that selector is."""
    if one.namespace and namespace and one.namespace != namespace:
        return False
    if one.selector <= selector or selector <= one.selector:
        return True
    pods = read.get(routers_of, one.selector, one.namespace)
    return any(selector <= pod.labels and namespace in ("", pod.namespace) for pod in pods)


def said(gateway: Gateway, lost: Lost, by: str = "") -> Problem:
    """What a gateway is told of what it has lost; ``by`` is whose connections these would be."""
    index = _index(gateway, lost.placed.server)
    at = FieldRef(gateway.ref, ("spec", "servers", index))
    server = lost.placed.server
    if lost.kind is not None:
        message = f"port {server.port} is for {lost.kind.value} in {lost.winner}, which is older and wins"
        return Problem(at / "port", "gateway.port-conflict", message)
    hosts = ", ".join(lost.hosts) + (f" of {by}" if by else "")
    message = f"{hosts} on port {server.port} is served by {lost.winner} already, which is older and wins"
    return Problem(at / "hosts", "gateway.host-twice", message)


def _index(gateway: Gateway, server: Server) -> int:
    return next((index for index, each in enumerate(gateway.servers) if each.section == server.section), 0)


def _unreached(read: Read, gateway: Gateway, routers: tuple[Workload, ...]) -> Iterator[Problem]:
    """The ports that no Service in front of the gateway's routers leads to, where there are any."""
    ports = sorted({pair for pod in routers for pair in read.get(led_to, pod)})
    if not ports:
        return
    reached = {number for pair in ports for number in pair}
    for index, server in enumerate(gateway.servers):
        if server.port not in reached:
            at = FieldRef(gateway.ref, ("spec", "servers", index, "port", "number"))
            known = ", ".join(dict.fromkeys(str(number) for number, _ in ports))
            message = f"no Service in front of its routers has port {server.port}, they have {known}"
            yield Problem(at, "gateway.port-unreached", f"{message}; clients do not reach it", Severity.WARNING)


def led_to(read: Read, pod: Workload) -> tuple[tuple[int, int], ...]:
    """The ports of the Services that lead to a pod, each with the pod's."""
    rows: tuple[Service, ...] = read.rows(Table.SELECTING, pod.namespace)
    leading = (port for service in rows if service.selector <= pod.labels for port in service.ports)
    return tuple(dict.fromkeys((port.number, target) for port in leading if (target := pod_port(port, pod))))


def _secrets(read: Read, gateway: Gateway, routers: tuple[Workload, ...]) -> Iterator[Problem]:
    homes = sorted({pod.namespace for pod in routers})
    for index, server in enumerate(gateway.servers):
        if server.tls is None:
            continue
        at = FieldRef(gateway.ref, ("spec", "servers", index, "tls", "credentialName"))
        for name, home in product(server.tls.certificates, homes):
            owner = name.namespace or home
            held: Credential | None = read.first(Table.CREDENTIAL, (owner, name.name))
            if held is not None and held.gone:
                message = f"Secret {owner}/{name.name} is there no more"
                yield Problem(
                    at, "gateway.secret-gone", f"{message}; its last certificate is shown while this names it"
                )
            elif not _has(read, name, home, certificate_name(name)):
                message = f"there is no Secret {name.name!r} with a certificate in {home!r}, the router's namespace"
                yield Problem(at, "gateway.secret-unknown", f"{message}; connections for these hosts are closed")
        believed = clients_authorities(server.tls)
        for home in homes if believed is not None else ():
            if believed is not None and not _has(read, believed, home, authorities_name(believed)):
                message = f"mode {server.tls.mode.value} needs authorities that clients are proven by, and Secret "
                message += f"{believed.name!r} in {home!r} has none (ca.crt)"
                yield Problem(at, "gateway.secret-unknown", f"{message}; connections for these hosts are closed")


def _has(read: Read, name: CredentialName, home: str, wanted: str) -> bool:
    return any(spec.name == wanted for spec in edge_secret(read, name, home))
