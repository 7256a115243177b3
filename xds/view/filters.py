"""What stands in the slots of a workload's inbound chains: the policies that are attached to it.

Source: istio-semantics 1.0 (selectors and attachment): the root namespace's policies hold for all of the mesh.
"""

from __future__ import annotations

from typing import Final

from xds.model.filters import FilterSlot
from xds.model.gateway_api import GATEWAY_NAME, shortened
from xds.model.labels import Labels
from xds.model.policy import NO_POLICIES, Authorizing, Filtering, Keyed, Policies, Sharing
from xds.model.route import Destination
from xds.model.security import AttachedPolicy, Attachment, KeySet
from xds.model.snapshot import Table
from xds.model.workload import Workload
from xds.view import names
from xds.view.graph import Read
from xds.view.scope import mesh, resolved_service
from xds.view.specs.resources import FilterSpec

_SLOTS: Final = tuple((slot, tcp) for slot in FilterSlot for tcp in (False, True) if not (tcp and slot.http_only))


def attached(read: Read, namespace: str, labels: Labels) -> Policies:
    """What the policies attached to the workloads of a namespace that have these labels say, all together.

    Those of the root namespace come first, then the namespace's own, the oldest first. Policies with ``targetRefs`` are
    for the routers of the Gateways that they name, in their own namespace, and for nobody else.
    """
    found = NO_POLICIES
    for owner in dict.fromkeys((read.get(mesh).root_namespace, namespace)):
        attachments: tuple[Attachment, ...] = read.rows(Table.ATTACHMENT, owner)
        for attachment in attachments:
            if attachment.targets and not (owner == namespace and targeted(attachment, labels)):
                continue
            if not attachment.selector <= labels:
                continue
            policy: AttachedPolicy | None = read.first(Table.POLICY, attachment.of)
            if policy is not None:
                found = policy.policies.over(found)
    return found


def targeted(attachment: Attachment, labels: Labels) -> bool:
    """Whether an attachment names the Gateway that workloads with these labels are the routers of."""
    of_gateways = (target.name for target in attachment.targets if target.kind == "Gateway")
    return any((GATEWAY_NAME, shortened(name)) in labels for name in of_gateways)


def filters(read: Read, namespace: str, labels: Labels) -> tuple[FilterSpec, ...]:
    """What stands in every slot of the chains of those workloads, empty ones included."""
    policies = _completed(read, read.get(attached, namespace, labels), namespace)
    trust = read.get(mesh).trust
    return tuple(
        FilterSpec(slot, tcp, cut, trust) if (cut := _in_slot(policies, slot, tcp=tcp)) else FilterSpec(slot, tcp)
        for slot, tcp in _SLOTS
    )


def _in_slot(policies: Policies, slot: FilterSlot, *, tcp: bool) -> Policies:
    parts = (policy.in_slot(slot, tcp=tcp) for policy in policies.that(Filtering))
    return Policies(part for part in parts if part is not None)


def named_hosts(read: Read, namespace: str, labels: Labels) -> tuple[str, ...]:
    """The services that those policies call themselves (authorizers and the like), sorted."""
    hosts: set[str] = set()

    def note(destination: Destination) -> str:
        hosts.add(destination.host)
        return ""

    settings = read.get(mesh)
    policies = read.get(attached, namespace, labels)
    provided = policies.adding(*(policy.provided(settings.authorizer) for policy in policies.that(Authorizing)))
    provided.resolved(note)
    return tuple(sorted(hosts))


def _completed(read: Read, policies: Policies, namespace: str) -> Policies:
    """The policies with what only the mesh knows: keys of token issuers, authorizers and their clusters."""
    settings = read.get(mesh)

    def key_set_of(name: str) -> KeySet | None:
        found: KeySet | None = read.first(Table.KEY_SET, name)
        return found

    def cluster_of(destination: Destination) -> str:
        service = resolved_service(read, destination.host, namespace)
        host = service.hostname if service is not None else destination.host
        return names.outbound_cluster(destination.port, destination.subset, host)

    keyed = policies.adding(*(policy.keyed(key_set_of) for policy in policies.that(Keyed)))
    provided = keyed.adding(*(policy.provided(settings.authorizer) for policy in keyed.that(Authorizing)))
    shared = provided.adding(
        *(policy.among(lambda *whose: read.get(proxies, *whose)) for policy in provided.that(Sharing))
    )
    return shared.resolved(cluster_of)


def proxies(read: Read, namespace: str, selector: Labels) -> int:
    """How many proxies the workloads have that a policy of ``namespace`` selects; the root namespace's: of all."""
    everywhere = namespace == read.get(mesh).root_namespace
    found = 0
    for home, name in read.keys(Table.WORKLOAD):
        if everywhere or home == namespace:
            pod: Workload | None = read.first(Table.WORKLOAD, (home, name))
            has_proxy = pod is not None and bool(pod.addresses) and pod.injection.done
            found += pod is not None and has_proxy and selector <= pod.labels
    return found
