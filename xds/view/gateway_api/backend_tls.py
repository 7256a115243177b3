"""TLS to the endpoints of a Service, as BackendTLSPolicies say; of several for one port the oldest has it."""

from __future__ import annotations

from collections.abc import Iterator

from xds.model.conditions import Condition, ParentStatus
from xds.model.credential import Credential
from xds.model.gateway import API_GROUP
from xds.model.gateway_api import MESH_CONTROLLER, ApiRoute, BackendTls, Fault, ParentRef, Reference, config_map_name
from xds.model.policy import NO_POLICIES, Believing, Policies
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view.gateway_api.attachment import attachment, gateway_of
from xds.view.gateway_api.listeners import controller, our_gateway
from xds.view.gateway_api.services import is_service, named_port
from xds.view.gateway_api.status import condition
from xds.view.graph import Read

_MOST = 16  # ancestors that a policy's status may have


def backend_tls(read: Read, service: ObjectRef, port: str) -> Policies:
    """How the endpoints of a Service's port, by its name, are called; nothing where no policy says.

    A policy of which no authority can be used blocks: nobody is believed.
    """
    policy = read.get(ruling, service, port)
    if policy is None:
        return NO_POLICIES
    usable = not policy.faults and _fault(read, policy) is None
    believed = b"\n".join(_bundles(read, policy)) if usable else None
    return Policies(each.believing(believed) for each in policy.policies.that(Believing))


def ruling(read: Read, service: ObjectRef, port: str) -> BackendTls | None:
    """The policy that a Service's port has: one for that port rather than for all, then the oldest."""
    rows: tuple[BackendTls, ...] = read.rows(Table.BACKEND_TLS, (service.namespace, service.name))
    for section in dict.fromkeys((port, "")):
        for row in rows:
            if any(to.ref == service and named == section for to, named in row.targets):
                return row
    return None


def _bundles(read: Read, policy: BackendTls) -> Iterator[bytes]:
    for to in policy.authorities:
        held = _bundle(read, to)
        if held:
            yield held


def _bundle(read: Read, to: Reference) -> bytes:
    if to.group not in ("", "core") or to.kind != "ConfigMap":
        return b""
    held: Credential | None = read.first(Table.CREDENTIAL, (to.namespace, config_map_name(to.name)))
    return held.authorities if held is not None else b""


def _fault(read: Read, policy: BackendTls) -> Fault | None:
    """Why nobody can be believed under a policy; None also where the system's authorities are."""
    if not policy.authorities or any(_bundle(read, to) for to in policy.authorities):
        return None
    return Fault("NoValidCACertificate", "spec.validation.caCertificateRefs", "must name authorities that are there")


def _reference_fault(read: Read, policy: BackendTls) -> Fault | None:
    for index, to in enumerate(policy.authorities):
        at = f"spec.validation.caCertificateRefs.{index}"
        if to.group not in ("", "core") or to.kind != "ConfigMap":
            return Fault("InvalidKind", at, f"must be a ConfigMap, is {to.kind}")
        if not _bundle(read, to):
            return Fault("InvalidCACertificateRef", at, f"{to.ref} must exist, with authorities in ca.crt")
    return None


def policy_status(read: Read, ref: ObjectRef) -> tuple[ParentStatus, ...]:
    """What a BackendTLSPolicy's status says: of each Gateway of ours that reaches its Services, and of the Services.

    Shape: an ancestor's name is in ``parent``; no more than the API takes.
    """
    policy: BackendTls | None = read.first(Table.BACKEND_TLS_POLICY, ref)
    if policy is None:
        return ()
    found: dict[tuple[ParentRef, str], ParentStatus] = {}
    for to, section in policy.targets:
        conditions = _conditions(read, policy, to, section)
        for gateway in read.get(gateways_reaching, to.namespace, to.name):
            known = read.get(our_gateway, gateway)
            assert known is not None
            name = read.get(controller, known.class_name)
            parent = ParentRef(API_GROUP, "Gateway", gateway.namespace, gateway.name)
            found.setdefault((parent, name), ParentStatus(parent, name, conditions))
        parent = ParentRef(to.group, to.kind, to.namespace, to.name)
        found.setdefault((parent, MESH_CONTROLLER), ParentStatus(parent, MESH_CONTROLLER, conditions))
    return tuple(found.values())[:_MOST]


def _conditions(read: Read, policy: BackendTls, to: Reference, section: str) -> tuple[Condition, ...]:
    return (
        condition("Accepted", _refused(read, policy, to, section)),
        condition("ResolvedRefs", _reference_fault(read, policy)),
    )


def _refused(read: Read, policy: BackendTls, to: Reference, section: str) -> Fault | None:
    if policy.faults:
        return policy.faults[0]
    if not (read.get(named_port, to.ref, section) if section else read.get(is_service, to.ref, 0)):
        what = f"port {section!r} of {to.ref}" if section else str(to.ref)
        return Fault("TargetNotFound", "spec.targetRefs", f"{what} does not exist")
    rival = _rival(read, policy, to, section)
    if rival is not None:
        return Fault("Conflicted", "spec.targetRefs", f"{rival} is for the same, is older, and wins")
    return _fault(read, policy)


def _rival(read: Read, policy: BackendTls, to: Reference, section: str) -> ObjectRef | None:
    rows: tuple[BackendTls, ...] = read.rows(Table.BACKEND_TLS, (to.namespace, to.name))
    first = next((row for row in rows if (to, section) in row.targets), policy)
    return first.ref if first.ref != policy.ref else None


def gateways_reaching(read: Read, namespace: str, name: str) -> tuple[ObjectRef, ...]:
    """The Gateways of ours of which an attached route leads to a Service, sorted."""
    service = ObjectRef("", "Service", namespace, name)
    found = {gateway for ref in read.rows(Table.LEADING_ROUTE, service) for gateway in read.get(gateways_of, ref)}
    return tuple(sorted(found))


def gateways_of(read: Read, ref: ObjectRef) -> tuple[ObjectRef, ...]:
    """The Gateways of ours to which a route is attached, sorted."""
    route: ApiRoute | None = read.first(Table.API_ROUTE, ref)
    if route is None:
        return ()
    found = set()
    for index, parent in enumerate(route.parents):
        where = read.get(attachment, ref, parent, index)
        gateway = read.get(gateway_of, parent.target(ref.namespace))
        if where is not None and where.to and gateway is not None:
            found.add(gateway)
    return tuple(sorted(found))
