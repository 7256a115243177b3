"""What can be chosen about an installation; `values.yaml` of the Helm chart and of ``plait install`` in one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
import yaml
from msgspec import Meta, Struct, field

from xds import __version__
from xds.kinds.quantities import about
from xds.model.revision import DEFAULT_REVISION, ISTIOD, of_revision
from xds.model.well_known import CONTROL_PLANE, LEASE, MESH_CONFIG_MAP

DEFAULT_NAMESPACE: Final = "istio-system"
_NAME: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
_NETWORK: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"  # what may be a label's value

Count = Annotated[int, Meta(ge=0)]
Toleration = Mapping[str, Any]


class ValuesError(ValueError):
    """Values that cannot be taken; the text names the field and says what it must be."""


class Values(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """All that can be chosen. In files and after ``--set`` the names are in camelCase (``imagePullPolicy``)."""

    registry: Annotated[str, about("Where the images of Plait are: <registry>/plait, init, node-agent.")] = "plait"
    tag: Annotated[str, about("Their tag.")] = __version__
    proxy_image: Annotated[str, about("The image of injected sidecars: a stock Envoy.")] = "envoyproxy/envoy:v1.40.0"
    init_image: Annotated[
        str, about("The image of injected init containers: iptables. Empty: <registry>/init:<tag>.")
    ] = ""
    image_pull_policy: Annotated[
        Literal["IfNotPresent", "Always", "Never"], about("When nodes fetch the control plane's image.")
    ] = "IfNotPresent"
    image_pull_secrets: Annotated[
        tuple[Mapping[str, str], ...], about("Secrets of the namespace for private registries: [{name: NAME}].")
    ] = ()
    revision: Annotated[
        str,
        Meta(
            pattern=_NAME,
            max_length=40,
            description="Which of several control planes of the cluster this is (istio.io/rev). `default` is the one "
            "of istio-injection=enabled.",
        ),
    ] = DEFAULT_REVISION
    namespace: Annotated[
        str,
        Meta(
            pattern=_NAME,
            max_length=63,
            description="The namespace of the control plane: the mesh's root namespace. Helm: that of the release.",
        ),
    ] = DEFAULT_NAMESPACE
    cluster_id: Annotated[str, about("What the cluster is called.")] = "Kubernetes"
    network: Annotated[
        str,
        Meta(
            pattern=_NETWORK,
            max_length=63,
            description="The network of the cluster's pods, where others are reached by gateways: a label of its "
            "namespace and of injected pods (topology.istio.io/network). Helm: label the release's namespace, too.",
        ),
    ] = ""
    mesh_config: Annotated[
        Mapping[str, Any], about("Mesh-wide settings, as in Istio (MeshConfig). rootNamespace is added.")
    ] = field(default_factory=lambda: {"trustDomain": "cluster.local"})
    replicas: Annotated[Count, about("Pods of the control plane, where it does not scale by itself.")] = 1
    autoscale_min: Annotated[Count, about("The fewest pods where it scales by itself.")] = 1
    autoscale_max: Annotated[Count, about("The most pods where it scales by itself, by CPU. 0: it does not.")] = 0
    disruption_budget: Annotated[
        bool, about("A PodDisruptionBudget: nodes that are drained take one pod at a time.")
    ] = True
    spread: Annotated[
        Literal["ScheduleAnyway", "DoNotSchedule"],
        about("What becomes of a pod where every node has one already: two there, or it waits."),
    ] = "ScheduleAnyway"
    resources: Annotated[Mapping[str, Any], about("Requests and limits of the control plane's container.")] = field(
        default_factory=lambda: {"requests": {"cpu": "100m", "memory": "256Mi"}}
    )
    prover: Annotated[
        bool,
        about(
            "A private Envoy beside each control plane, which must take every configuration before proxies are sent it."
        ),
    ] = True
    prover_image: Annotated[
        str, about("The image of that Envoy; it needs /bin/sh, and to be of the sidecars' version. Empty: proxyImage.")
    ] = ""
    prover_resources: Annotated[Mapping[str, Any], about("Requests and limits of its container.")] = field(
        default_factory=lambda: {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "1Gi"},
        }
    )
    priority_class: Annotated[
        str, about("PriorityClass of the pods. system-cluster-critical needs a ResourceQuota on some clouds.")
    ] = ""
    node_selector: Annotated[Mapping[str, str], about("Labels of the nodes that it may run on.")] = field(
        default_factory=dict
    )
    tolerations: Annotated[tuple[Toleration, ...], about("Taints of nodes that it may run on.")] = ()
    cni: Annotated[bool, about("A node agent sets the pods' interception rules, so that no pod needs NET_ADMIN.")] = (
        False
    )
    gateway_controllers: Annotated[
        tuple[str, ...],
        about(
            "Which controllers of GatewayClasses this is; empty: plait.dev/gateway-controller, and in istiod's place "
            "(revision default) istio.io/gateway-controller."
        ),
    ] = ()
    gateway_deployments: Annotated[
        bool, about("Deployments, Services and ServiceAccounts are made for Gateways of the Gateway API.")
    ] = True
    injection_failure_policy: Annotated[
        Literal["Fail", "Ignore"],
        about("What becomes of pods that want a sidecar while no control plane answers: refused, or made without."),
    ] = "Fail"
    network_policies: Annotated[
        bool, about("NetworkPolicies of the control plane's pods. API servers are expected at 443, 6443, 8443, 16443.")
    ] = False
    monitoring_namespaces: Annotated[
        tuple[str, ...],
        about("The namespaces whose pods may read metrics, and be sent traces, where there are NetworkPolicies."),
    ] = ("monitoring",)
    prometheus: Annotated[bool, about("Whether annotations tell Prometheus to read the control plane's metrics.")] = (
        True
    )
    prometheus_url: Annotated[
        str,
        about(
            "A Prometheus that scrapes the sidecars: whom the dashboard asks for what was before the last hour. With a "
            "password in it, whoever reads the Deployment knows that."
        ),
    ] = ""
    otlp: Annotated[
        str,
        about(
            "Who is sent traces of changes by OTLP over gRPC: http://otel-collector.monitoring:4317, https:// for TLS. "
            "Empty: nobody."
        ),
    ] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], about("The least that is logged.")] = "info"
    extra_env: Annotated[Mapping[str, str], about("More variables of the control plane: PLAIT_DEBOUNCE_S ...")] = field(
        default_factory=dict
    )

    @property
    def name(self) -> str:
        """The Deployment, its ServiceAccount, and what goes with it."""
        return of_revision(CONTROL_PLANE, self.revision)

    @property
    def cluster_name(self) -> str:
        """Objects of this installation that are in no namespace."""
        return f"{self.name}-{self.namespace}"

    @property
    def service(self) -> str:
        """The Service of this revision."""
        return of_revision(ISTIOD, self.revision)

    @property
    def mesh_config_map(self) -> str:
        """The ConfigMap of the mesh configuration."""
        return of_revision(MESH_CONFIG_MAP, self.revision)

    @property
    def lease(self) -> str:
        """The Lease of the leader among the pods of this revision."""
        return of_revision(LEASE, self.revision)

    @property
    def image(self) -> str:
        """The control plane's image."""
        return f"{self.registry}/plait:{self.tag}"

    @property
    def node_agent_image(self) -> str:
        """The node agent's image: the control plane's program, and iptables."""
        return f"{self.registry}/node-agent:{self.tag}"

    @property
    def injected_init_image(self) -> str:
        """The image of injected init containers."""
        return self.init_image or f"{self.registry}/init:{self.tag}"


def read(given: Mapping[str, Any]) -> Values:
    """The values that a file and flags say, merged over the defaults as Helm does it. Errors: ValuesError."""
    try:
        return msgspec.convert(merge(to_plain(Values()), given), Values)
    except msgspec.ValidationError as error:
        raise ValuesError(f"{str(error).replace('`$.', '`')}{_near(given)}") from None


def _near(given: Mapping[str, Any]) -> str:
    """What a name that is none of ours may have meant, and where all are explained."""
    known = to_plain(Values())
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            return f" (did you mean {close[0]}?)" if close else "; install/chart/values.yaml explains all there are"
    return ""


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``under`` with what ``over`` says: mappings are merged key by key, all else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        known = merged.get(key)
        both = isinstance(known, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(known, value) if both else value  # type: ignore[arg-type]
    return merged


def of_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """What ``--set`` says: ``replicas=3``, ``resources.requests.cpu=1``, the value as YAML. Errors: ValuesError."""
    found: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not (path and equals):
            raise ValuesError(f"--set {assignment}: must be name=value")
        value = _scalar(assignment, text)
        if _is_text(path) and not isinstance(value, str):
            value = text
        for key in reversed(path.split(".")):
            value = {key: value}
        found = merge(found, value)
    return found


def _is_text(path: str) -> bool:
    """Whether it is a value of a mapping of strings: a variable, a label; 25 and true are words there."""
    field_name, dot, _ = path.partition(".")
    known = schema()["properties"].get(field_name, {})
    return bool(dot) and known.get("additionalProperties") == {"type": "string"}


def _scalar(assignment: str, text: str) -> Any:
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        raise ValuesError(f"--set {assignment}: the value is no YAML") from None


def to_plain(values: Values) -> dict[str, Any]:
    """The values as JSON types, every field by its name in files."""
    plain: dict[str, Any] = msgspec.to_builtins(values)
    return plain


def schema() -> dict[str, Any]:
    """The JSON schema of the values, whole."""
    found = msgspec.json.schema(Values)
    made: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema", **found["$defs"]["Values"]}
    return made
