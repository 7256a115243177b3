"""From manifests to the pods to run: Pods, and the templates of Deployments, StatefulSets and Jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

import msgspec

from xds.kinds.authored import Authored, ObjectMeta
from xds.kinds.deployment import Deployment
from xds.kinds.job import Job
from xds.kinds.namespace import Namespace
from xds.kinds.pod import Container as ContainerStruct
from xds.kinds.pod import ContainerPort as ContainerPortStruct
from xds.kinds.pod import Pod, PodTemplateSpec
from xds.kinds.pod import PodSpec as PodSpecStruct
from xds.kinds.pod import Probe as ProbeStruct
from xds.kinds.stateful_set import StatefulSet
from xds.local.pods import Container, ContainerPort, EnvVar, ExecAction, HttpGet, PodSpec, Probe, Restart, TcpSocket
from xds.local.replicas import pod_names
from xds.model.injection import Candidate, decide, is_gateway
from xds.model.object import Object
from xds.model.well_known import TEMPLATE_HASH

_RESTARTED = "kubectl.kubernetes.io/restartedAt"


def pod_specs(objects: Iterable[Object[Authored]]) -> tuple[PodSpec, ...]:
    """The pods that the manifests ask for, sorted by name; sidecars where Istio's injector would add one."""
    known = tuple(objects)
    namespaces = {each.ref.name: each.struct.metadata.labels for each in known if isinstance(each.struct, Namespace)}
    found = [spec for each in known for spec in _pods_of(each, namespaces)]
    return tuple(sorted(found, key=lambda spec: spec.key))


def _pods_of(each: Object[Authored], namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[PodSpec]:
    struct = each.struct
    if isinstance(struct, Pod):
        yield _pod(each, struct.metadata, struct.spec, (each.ref.name, namespaces))
        return
    if not isinstance(struct, Deployment | StatefulSet | Job) or (isinstance(struct, Job) and struct.spec.suspend):
        return
    template = struct.spec.template
    encoded = msgspec.json.encode(template)
    for name in pod_names(each.ref.kind, each.ref.namespace, each.ref.name, _replicas(struct), encoded):
        yield _pod(each, _template_metadata(each.ref.kind, name, template), template.spec, (name, namespaces))


def _replicas(struct: Deployment | StatefulSet | Job) -> int:
    wanted = struct.spec.parallelism if isinstance(struct, Job) else struct.spec.replicas
    return 1 if wanted is None else wanted


def _template_metadata(kind: str, name: str, template: PodTemplateSpec) -> ObjectMeta:
    own = dict(template.metadata.labels)
    if kind == "Deployment":
        own[TEMPLATE_HASH] = name.split("-")[-2]
    elif kind == "StatefulSet":
        own["statefulset.kubernetes.io/pod-name"] = name
        own["apps.kubernetes.io/pod-index"] = name.rpartition("-")[2]
    return msgspec.structs.replace(template.metadata, labels=own)


def _pod(
    each: Object[Authored],
    metadata: ObjectMeta,
    spec: PodSpecStruct,
    named: tuple[str, Mapping[str, Mapping[str, str]]],
) -> PodSpec:
    name, namespaces = named
    kind, namespace = each.ref.kind, each.ref.namespace
    subdomain = spec.subdomain
    if isinstance(each.struct, StatefulSet):
        subdomain = subdomain or each.struct.spec.service_name
    grace = spec.termination_grace_period_seconds
    labels = namespaces.get(namespace, {})
    candidate = Candidate(namespace, labels, metadata.labels, metadata.annotations, spec.host_network)
    inject = decide(candidate).inject
    return PodSpec(
        namespace=namespace,
        name=name,
        containers=tuple(map(_container, spec.containers)),
        labels=metadata.labels,
        annotations=metadata.annotations,
        service_account=spec.service_account_name or spec.service_account or "default",
        init_containers=tuple(map(_container, spec.init_containers)),
        restart=_restart(kind, spec),
        hostname=spec.hostname or (name if kind == "StatefulSet" else ""),
        subdomain=subdomain,
        inject=inject,
        router=inject and is_gateway(metadata.labels, metadata.annotations),
        workload=each.ref.name,
        workload_kind=kind,
        termination_grace=timedelta(seconds=_GRACE_S if grace is None else min(grace, _LONGEST_GRACE_S)),
        restarted=metadata.annotations.get(_RESTARTED, ""),
        node_name=spec.node_name,
    )


# Who ends a local mesh waits for it: Kubernetes' 30 s are the most, and only where a manifest asks for them.
_GRACE_S = 2
_LONGEST_GRACE_S = 30


def _restart(kind: str, spec: PodSpecStruct) -> Restart:
    wanted = Restart(spec.restart_policy)
    return Restart.ON_FAILURE if kind == "Job" and wanted is Restart.ALWAYS else wanted


def _container(struct: ContainerStruct) -> Container:
    return Container(
        name=struct.name,
        image=struct.image,
        command=struct.command,
        args=struct.args,
        env=tuple(EnvVar(var.name, var.value, _field_path(var.value_from)) for var in struct.env),
        ports=tuple(ContainerPort(port.container_port, port.name, port.protocol) for port in struct.ports),
        readiness=_probe(struct.readiness_probe, struct.ports),
        working_dir=struct.working_dir,
    )


def _field_path(value_from: object) -> str:
    reference = value_from.get("fieldRef") if isinstance(value_from, Mapping) else None
    path = reference.get("fieldPath") if isinstance(reference, Mapping) else None
    return path if isinstance(path, str) else ""


def _probe(struct: ProbeStruct | None, ports: tuple[ContainerPortStruct, ...]) -> Probe | None:
    if struct is None:
        return None
    action = _action(struct, ports)
    if action is None:
        return None
    return Probe(
        action=action,
        initial_delay=timedelta(seconds=struct.initial_delay_seconds),
        # A probe costs nothing here, and a demo that waits ten seconds for its second one looks broken.
        period=min(timedelta(seconds=struct.period_seconds), timedelta(seconds=1)),
        timeout=timedelta(seconds=struct.timeout_seconds),
        success_threshold=struct.success_threshold,
        failure_threshold=struct.failure_threshold,
    )


def _action(struct: ProbeStruct, ports: tuple[ContainerPortStruct, ...]) -> HttpGet | TcpSocket | ExecAction | None:
    if struct.http_get is not None:
        return HttpGet(_number(struct.http_get.port, ports), struct.http_get.path or "/")
    if struct.tcp_socket is not None:
        return TcpSocket(_number(struct.tcp_socket.port, ports))
    if struct.exec is not None:
        return ExecAction(struct.exec.command)
    return TcpSocket(struct.grpc.port) if struct.grpc is not None else None


def _number(port: int | str, ports: tuple[ContainerPortStruct, ...]) -> int:
    if isinstance(port, int):
        return port
    return next((each.container_port for each in ports if each.name == port), 0)
