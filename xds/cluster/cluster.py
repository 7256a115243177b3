"""A control plane's cluster: what it is to it (source, judge of tokens, keeper of the CA), and what it does there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from kubernetes.client import CoreV1Api
from msgspec import to_builtins

from ca.secret_store import SecretStore
from xds.admin.listen import listen
from xds.app import ControlPlane
from xds.cluster.companions import Work, accompany
from xds.cluster.council import Council
from xds.cluster.gateway_statuses import STATUS_KINDS, GatewayStatuses, controllers_of_status
from xds.cluster.gateways import Gateways
from xds.cluster.injection import injection_settings, namespaces
from xds.cluster.tokens import ClusterTokens
from xds.cluster.writers import TokenWriters
from xds.controllers.gateway_api.classes import GatewayClassMaker
from xds.controllers.gateway_api.gateway_proxies import GatewayProxies
from xds.controllers.gateway_api.status import GatewayStatusWriter
from xds.controllers.leader_election import LeaderElection
from xds.controllers.machine_entries import KnownEntry, MachineEntries
from xds.controllers.object_events import ObjectEvents
from xds.controllers.replica import Replica
from xds.controllers.reports import ReportReader, ReportWriter
from xds.controllers.rollout_board import RolloutBoard
from xds.controllers.root_certificates import RootCertificates
from xds.controllers.status import StatusWriter
from xds.controllers.webhook_bundle import WebhookBundle
from xds.generations.served import Generations
from xds.kinds.workload_entry import WorkloadEntry
from xds.model.refs import ObjectRef
from xds.model.revision import of_revision
from xds.model.well_known import CA_SECRET, LEASE, MESH_CONFIG_MAP
from xds.proxies.live import Live
from xds.settings import Settings
from xds.sources.kube_config import connect
from xds.sources.kubernetes import KubernetesSource
from xds.sources.remote_clusters import RemoteClusters
from xds.sources.remote_kubeconfig import listed
from xds.webhooks.inject import InjectionSettings
from xds.webhooks.mutating import mutating
from xds.webhooks.server import app
from xds.webhooks.tls import serve as serve_https
from xds.webhooks.validate import Surroundings
from xds.webhooks.validating import validating


class Cluster:
    """The cluster that ``settings`` name. Errors: NoCluster when it cannot be told how to reach it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api: Any = connect(settings.kubeconfig, context=settings.context)
        self._replica = Replica(settings.namespace, settings.pod_name or socket.gethostname(), settings.revision)
        lease = of_revision(LEASE, settings.revision)
        self._election = LeaderElection(self._api, settings.namespace, lease, self._replica.pod)
        self._reports = ReportReader(self._api, settings.namespace, settings.revision)
        self._listening = False
        self._bundle: WebhookBundle | None = None
        self.rollouts = RolloutBoard(self._api, self._replica, self._election, lambda: self._reports.pods)
        self.council = Council(self._election, self._reports, self._replica.pod)
        self.source = KubernetesSource(
            self._api,
            name=f"kubernetes:{settings.cluster_id}",
            root_namespace=settings.namespace,
            revision=settings.revision,
        )
        self.remotes = RemoteClusters(
            settings.cluster_id, listed(settings.remote_kubeconfigs), self._api, settings.namespace
        )

    def ready(self) -> bool:
        """Whether the API server can call the webhooks, where there are any; once it can, it stays so."""
        published = self._bundle is not None and bool(self._bundle.published)
        return not self._settings.webhook or (self._listening and published)

    def tokens(self, trust_domain: str) -> ClusterTokens:
        """The way of the cluster's service-account tokens."""
        return ClusterTokens(self._api, trust_domain)

    def writers(self) -> TokenWriters:
        """Who says what people may write who log in with a token of the cluster."""
        return TokenWriters(self._api)

    def ca_store(self, passphrase: bytes | None) -> SecretStore:
        """Where the mesh's CA is kept."""
        return SecretStore(CoreV1Api(self._api), self._settings.namespace, CA_SECRET, passphrase)

    async def serve(self, control_plane: ControlPlane) -> None:
        """Do what is to be done in the cluster while ``control_plane`` serves. Errors: what ends that."""
        companions = {
            **self._reporting(control_plane),
            **self._certified(control_plane),
            **self._gateway_api(control_plane),
            "machines": self._machine_entries(control_plane).run,
        }
        stop = asyncio.Event()
        try:
            await accompany({**companions, **self._webhooks(control_plane, stop)}, control_plane.wait())
        finally:
            stop.set()

    def _reporting(self, control_plane: ControlPlane) -> dict[str, Work]:
        """What tells people how their objects do; the leader writes, all report to it."""
        api, reports, lead = self._api, self._reports, self._election.while_leading
        store, problems = control_plane.store, control_plane.convergence.problems
        served = Generations(store, control_plane.idle, control_plane.rollouts.generations).served
        own = ReportWriter(api, self._replica, served, Live(control_plane.cache).counts, control_plane.ca_counsel)
        status = StatusWriter(api, self._settings.revision, store.of_kind, problems, lambda: reports.counts)
        events = ObjectEvents(api, self._replica, problems, lambda: reports.counts)
        return {
            "leader election": self._election.run,
            "report": own.run,
            "reports": lambda: lead(reports.run),
            "status": lambda: lead(status.run),
            "events": lambda: lead(events.run),
        }

    def _gateway_api(self, control_plane: ControlPlane) -> dict[str, Work]:
        """What makes Gateways of the Gateway API come true; the leader's work."""
        api, lead, gateways = self._api, self._election.while_leading, Gateways(control_plane, self._settings)
        classes = GatewayClassMaker(api, gateways.class_there)
        proxies = GatewayProxies(api, gateways.objects, gateways.there)
        said = GatewayStatuses(control_plane, gateways, lambda: proxies.failures, lambda: self._reports.counts)
        status = GatewayStatusWriter(api, STATUS_KINDS, controllers_of_status(self._settings), said.wanted)
        control_plane.advanced += [proxies.changed, status.changed]
        return {
            "gateway class": lambda: lead(classes.run),
            **({"gateway proxies": lambda: lead(proxies.run)} if self._settings.gateway_deployments else {}),
            "gateway status": lambda: lead(status.run),
        }

    def _machine_entries(self, control_plane: ControlPlane) -> MachineEntries:
        """What keeps the entries of machines in the cluster; each replica those of its own."""
        store, machines = control_plane.store, control_plane.machines

        def known() -> Iterator[KnownEntry]:
            for each in store.of_kind(WorkloadEntry.KIND.group, WorkloadEntry.KIND.name):
                yield KnownEntry(each.ref, each.struct.metadata.annotations, each.origin.resource_version)

        def wanted() -> Mapping[ObjectRef, Any]:
            return {ref: to_builtins(entry) for ref, entry in machines.entries.items()}

        entries = MachineEntries(self._api, self._replica.pod, wanted, known)
        machines.kept_elsewhere(entries.changed)
        return entries

    def _certified(self, control_plane: ControlPlane) -> dict[str, Work]:
        """What lets pods and the API server know this control plane; nothing where it has no CA."""
        custody = control_plane.custody
        if custody is None:
            return {}

        def roots() -> bytes:
            return custody.identities.authority.roots.pem

        certificates = RootCertificates(
            self._api, lambda: roots().decode(), lambda: namespaces(control_plane.snapshot())
        )
        bundle = self._bundle = WebhookBundle(self._api, self._settings.revision, roots)
        control_plane.advanced += [certificates.changed, bundle.changed]
        self.council.told.append(lambda: bundle.published == roots())
        lead = self._election.while_leading
        return {"root certificates": lambda: lead(certificates.run), "webhook bundle": bundle.run}

    def _webhooks(self, control_plane: ControlPlane, stop: asyncio.Event) -> dict[str, Work]:
        """The webhooks that the API server calls; an address that cannot be had is tried again."""
        certificate = control_plane.ports.certificate
        if not self._settings.webhook or certificate is None:
            return {}

        def injected() -> InjectionSettings:
            return injection_settings(self._settings, control_plane.snapshot(), control_plane.store)

        mesh_config = ObjectRef(
            "", "ConfigMap", self._settings.namespace, of_revision(MESH_CONFIG_MAP, self._settings.revision)
        )
        trial = partial(control_plane.trial.from_thread, asyncio.get_running_loop())
        judge = validating(lambda: Surroundings(control_plane.snapshot(), self._settings.domain, mesh_config, trial))
        application = app(mutating(injected), judge, control_plane.metrics.webhooks)

        async def listening() -> None:
            listener = listen(self._settings.webhook)
            self._listening = True
            await serve_https(application, listener, certificate.current_pair, stop)

        return {"webhooks": listening}
