"""A mesh that nobody runs, as large as wanted: what the dashboard asks, answered from made-up values."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bench.made_up_traffic import MadeUpTraffic, host, workload_id
from xds.admin.exposition import Metric
from xds.admin.status import CaReport, KnownObject, ProxySync, SentResource, Sync, TypeSync
from xds.audit.naming import WorkloadSecurity
from xds.audit.record import Record
from xds.audit.refusal import Blame, Kind, Party, Refusal, Stage
from xds.controllers.live_count import LiveCount, RejectedBy
from xds.dashboard.asked import Behind, MayCall
from xds.failure import Failure
from xds.model.labels import labels
from xds.model.problem import Problem, Severity
from xds.model.refs import FieldRef, ObjectRef, Origin
from xds.model.security import Mtls, MtlsMode
from xds.model.service import Protocol, Service, ServicePort
from xds.telemetry.known import Known
from xds.why.question import Question

Json = dict[str, Any]

_STEM: Final = ("web", "cart", "catalog", "reviews", "ratings", "payments", "search", "users", "stock", "mail")
_NAMESPACES: Final = ("shop", "billing", "identity", "search", "logistics", "reporting", "edge", "platform")
_TYPES: Final = ("cds", "lds", "eds", "rds", "vhds", "ecds", "sds")
_NOW: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass
class MadeUpMesh:
    """So many services, of so many pods in all. Answers ``admin.status.Status`` and ``dashboard.asked.Asked``."""

    size: int = 12
    pods: int = 30
    refused: Record = field(default_factory=Record)
    answer: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        places = _NAMESPACES[: max(1, min(len(_NAMESPACES), self.size // 6))]
        self.names = [(places[at % len(places)], _name(at)) for at in range(self.size)]
        self.traffic = MadeUpTraffic(self.names)
        self._refuse()

    def _refuse(self) -> None:
        policy = _policy(*self.names[0])
        for kind, last in ((Kind.REFUSED, 7), (Kind.WOULD_REFUSE, 3)):
            for _ in range(last):
                ends = (Party("shop", "batch", "batch-1"), Party(*self.names[0], f"{self.names[0][1]}-0"))
                blame = Blame(policy, 0, "policies.yaml:12")
                why = "no rule of it allows the caller"
                self.refused.add(
                    Refusal(_NOW, kind, Stage.ALLOW, why, *ends, (blame,), 80, "HTTP", "GET", "web.shop", "/")
                )

    # -- admin.status.Status

    def ready(self) -> bool:
        """It always is."""
        return True

    def syncz(self) -> Sequence[ProxySync]:
        """A proxy a pod; some lag, one has refused a route."""
        return [self._proxy(at) for at in range(self.pods)]

    def _proxy(self, at: int) -> ProxySync:
        namespace, name = self.names[at % self.size]
        pod, since = f"{name}-{at}", _NOW - timedelta(seconds=at)
        types = {kind: TypeSync(Sync.SYNCED, f"{at:016x}", since, 3 * self.size) for kind in _TYPES}
        if at % 97 == 5:
            types["rds"] = TypeSync(
                Sync.REJECTED, "r1", since, 1, (("80", "only unique values for domains are permitted"),)
            )
        elif at % 41 == 7:
            types["eds"] = TypeSync(Sync.STALE, "e1", since, self.size)
        node = f"sidecar~10.0.{at // 250}.{at % 250}~{pod}.{namespace}~{namespace}.svc.cluster.local"
        return ProxySync(node, pod, namespace, name, "Kubernetes", "1.40.0", since, types)

    def config_dump(self, proxy: str) -> Sequence[SentResource] | None:
        """A cluster, endpoints and a virtual host for each service."""
        return [self._sent(kind, *each) for kind in ("cds", "eds", "vhds") for each in self.names]

    def _sent(self, kind: str, namespace: str, name: str) -> SentResource:
        called = host(namespace, name)
        own = [KnownObject(_route(namespace, name), Origin("routes.yaml", 7), 2)]
        title = f"80/{called}:80" if kind == "vhds" else f"outbound|80||{called}"
        action = {
            "cluster": f"outbound|80||{called}",
            "timeout": "2s",
            "retry_policy": {"num_retries": 2, "retry_on": "5xx"},
        }
        message = (
            {"name": title, "routes": [{"match": {"prefix": "/"}, "route": action}]}
            if kind == "vhds"
            else {"name": title}
        )
        return SentResource(kind, title, "1", own, lambda: message)

    def problems(self) -> Sequence[Problem]:
        """One of each severity."""
        at = FieldRef(_route(*self.names[1])) / "spec" / "http" / 0 / "route"
        where = Origin("routes.yaml", 31)
        return [
            Problem(at, "subset.unknown", "must be a subset of a DestinationRule, is 'v3'", Severity.ERROR, where),
            Problem(FieldRef(_policy(*self.names[0])), "policy.no-workload", "selects no pod", Severity.WARNING, where),
        ]

    def objects(self) -> Iterable[KnownObject]:
        """A route a service, and a policy for every fifth."""
        for at, each in enumerate(self.names):
            yield KnownObject(_route(*each), Origin("routes.yaml", 7 * at + 1), 1 + at % 4)
            if at % 5 == 0:
                yield KnownObject(_policy(*each), Origin("policies.yaml", 12 * at + 1), 1)

    def refusals(self) -> Record:
        """Some."""
        return self.refused

    def workloads(self) -> Iterable[WorkloadSecurity]:
        """All pods."""
        for at in range(self.pods):
            namespace, name = self.names[at % self.size]
            pod = ObjectRef("", "Pod", namespace, f"{name}-{at}")
            yield WorkloadSecurity(
                pod, name, name, labels({"app": name}), (f"10.0.{at // 250}.{at % 250}",), True, Mtls(MtlsMode.STRICT)
            )

    def sources(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def ca(self) -> CaReport | None:
        """None."""
        return None

    def metrics(self) -> Iterable[Metric]:
        """None."""
        return ()

    async def history(self, query: Mapping[str, str]) -> Json | None:
        """A few generations."""
        return {
            "started": _NOW.isoformat(),
            "generation": 6,
            "generations": [self._generation(at) for at in range(1, 7)],
            "rollouts": [self._tried()],
        }

    def _tried(self) -> Json:
        at = datetime.now(UTC) - timedelta(minutes=8)
        why = "5xx of web.shop.svc.cluster.local: 38 % of 410 requests, of others' 0.2 %"
        return {
            "objects": [_route(*self.names[3 % self.size]).plain()], "state": "stopped", "at": at.isoformat(),
            "ended": at.isoformat(), "step": 1, "steps": 3, "proxies": 1, "affected": self.pods, "reason": why,
        }  # fmt: skip

    def _generation(self, number: int) -> Json:
        at = datetime.now(UTC) - timedelta(minutes=14 - 2 * number)
        namespace, name = self.names[number % self.size]
        ref = _route(namespace, name)
        told: Json = {"object": str(ref), "group": ref.group, "kind": ref.kind, "namespace": namespace, "name": name}
        what: Json = {"what": "changed", "origin": "routes.yaml:7", "resource_version": "", "generation": number}
        nack = {
            "proxy": "web-0.shop",
            "type": "rds",
            "resource": "80",
            "reason": "duplicate domain",
            "at": at.isoformat(),
        }
        return {
            "generation": number, "at": at.isoformat(), "took_s": 0.034, "quiet": number == 3,
            "objects": [{**told, **what, "fields": ["spec.http[0].timeout 2s -> 1s"]}], "more_objects": 0,
            "resources": {"rds": 1, "vhds": 2}, "proxies": self.pods, "waiting": int(number == 6),
            "converged": None if number == 6 else at.isoformat(), "converged_s": None if number == 6 else 0.31,
            "nacks": [nack] if number == 4 else [], "more_nacks": 0, "drains": [],
        }  # fmt: skip

    async def rollouts(self, request: Request) -> Response:
        """One, on its second step."""
        ref = _route(*self.names[2 % self.size])
        named = ref.plain()
        standing = {
            "objects": [named], "phase": "watching", "step": 2, "steps": 3, "since_s": 21.0, "reason": "",
            "proxies": 2, "affected": self.pods, "first": [], "judgement": "good", "why": "", "requests": 1840,
        }  # fmt: skip
        held = {
            **named,
            "state": "rolling out",
            "reason": "",
            "served_generation": 4,
            "generation": 5,
            "deleted": False,
        }
        return JSONResponse({"rollout": standing, "held": [held], "ended": []})

    def telemetry(self) -> Known:
        """Nothing: see ``traffic``."""
        return Known(time.time)

    def record(self, query: Mapping[str, str]) -> Json | None:
        """None."""
        return None

    async def live(self, query: Mapping[str, str]) -> Json:
        """Nothing."""
        return {}

    # -- dashboard.asked.Asked

    def services(self) -> Iterable[Service]:
        """All of them."""
        port = (ServicePort(80, "http", Protocol.HTTP, 8080),)
        return [Service(ObjectRef("", "Service", *each), host(*each), each[0], port) for each in sorted(self.names)]

    def origin(self, ref: ObjectRef) -> str:
        """Somewhere."""
        return "policies.yaml:12"

    async def live_counts(self) -> Mapping[ObjectRef, LiveCount]:
        """Nearly everywhere."""
        known = {each.ref: LiveCount(self.pods, self.pods) for each in self.objects()}
        lagging = RejectedBy("web-5.shop", "only unique values for domains are permitted", "80")
        return {**known, _route(*self.names[1]): LiveCount(self.pods - 1, self.pods, (lagging,))}

    async def behind(self, service: Service) -> Sequence[Behind]:
        """One workload."""
        name = service.ref.name
        return [Behind(service.namespace, name, name, 5, True, "STRICT", [_policy(service.namespace, name)])]

    async def callers(self, service: Service, port: int) -> Sequence[MayCall]:
        """Some may."""
        policy = str(_policy(service.namespace, service.ref.name))
        return [
            MayCall(workload_id(*each), "denied" if at % 3 else "allowed", f"rules[0] of {policy} decides", policy)
            for at, each in enumerate(self.names[:6])
        ]

    async def explain(self, question: Question) -> Mapping[str, Any]:
        """What ``answer`` says."""
        if self.answer is None:
            raise Failure(f"{question.source}: nobody is there in a mesh that is made up")
        return self.answer


def _name(at: int) -> str:
    stem = _STEM[at % len(_STEM)]
    return stem if at < len(_STEM) else f"{stem}-{at // len(_STEM)}"


def _route(namespace: str, name: str) -> ObjectRef:
    return ObjectRef("networking.istio.io", "VirtualService", namespace, name)


def _policy(namespace: str, name: str) -> ObjectRef:
    return ObjectRef("security.istio.io", "AuthorizationPolicy", namespace, name)
