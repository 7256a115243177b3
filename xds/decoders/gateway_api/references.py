"""Parents, backends and other references of the Gateway API, with their defaults filled in."""

from __future__ import annotations

from collections.abc import Iterable

from xds.decoders.service import hostname
from xds.kinds.gateway_api import references as structs
from xds.model.gateway import ISTIO_GROUP
from xds.model.gateway_api import Backend, Fault, GroupKind, ParentRef, Reference
from xds.model.policy import NO_POLICIES, Policies
from xds.model.refs import FieldRef
from xds.model.route import Destination
from xds.translators.feature import Reading

SERVICE = GroupKind("", "Service")
HOSTNAME = GroupKind(ISTIO_GROUP, "Hostname")


def parents(found: Iterable[structs.ParentReference]) -> tuple[ParentRef, ...]:
    """The parents of a route, as it names them."""
    return tuple(
        ParentRef(each.group, each.kind, each.namespace or "", each.name, each.section_name or "", each.port or 0)
        for each in found
    )


def backend(
    struct: structs.BackendObjectReference, path: str, reading: Reading, policies: Policies = NO_POLICIES
) -> Backend:
    """A backend, with why it can never be used, if so: its kind, or a port that is not said.

    Whether what it names is there, and may be referred to, is found later.
    """
    namespace = struct.namespace or reading.namespace
    to = Reference(struct.group, struct.kind, namespace, struct.name)
    weight = struct.weight if isinstance(struct, structs.BackendRef) else 1
    kind = GroupKind(struct.group, struct.kind)
    fault: Fault | None = None
    host = struct.name.lower() if kind == HOSTNAME else hostname(struct.name, namespace, reading.domain)
    if kind not in (SERVICE, HOSTNAME):
        what = f"{struct.group}/{struct.kind}" if struct.group else struct.kind
        fault = Fault("InvalidKind", path, f"must be a Service, or a Hostname of {ISTIO_GROUP}, is {what}")
    elif struct.port is None:
        fault = Fault("BackendNotFound", path, "must have a port")
    return Backend(to, Destination(host, "", struct.port or 0), max(weight, 0), policies, path, fault)


def unheeded(at: FieldRef, reading: Reading, stated: object, why: str) -> None:
    """Warn of a field that is taken and not carried out, where it is set."""
    if stated:
        reading.warning(at, "gateway-api.not-carried-out", why)


def secret(struct: structs.SecretObjectReference, home: str) -> Reference:
    """A certificate, by name."""
    return Reference(struct.group, struct.kind, struct.namespace or home, struct.name)


def reference(struct: structs.ObjectReference, home: str) -> Reference:
    """Any object, by name."""
    return Reference(struct.group, struct.kind, struct.namespace or home, struct.name)
