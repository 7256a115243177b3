"""MeshConfig: what holds for the whole mesh; ``data.mesh`` of the ConfigMap ``istio``, or a document of its own."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import field

from xds.kinds.authored import Authored, Kind, LabelSelector, Lenient, Strict
from xds.kinds.destination import PortSelector
from xds.kinds.extension_provider import ExtensionProvider
from xds.kinds.http_policies import HTTPRetry
from xds.kinds.load_balancer import LocalityLoadBalancerSetting
from xds.kinds.mesh_networks import MeshNetworks
from xds.kinds.proxy_config import NOT_READ, ProxyConfig
from xds.kinds.quantities import Duration, NonEmpty, OptionalPortNumber, PositiveDuration, about
from xds.kinds.traffic_policy import (
    ConnectionPoolSettings,
    OutlierDetection,
    TcpKeepalive,
)


class EgressProxy(Strict, frozen=True, kw_only=True):
    """A service that traffic to unknown destinations goes through."""

    host: Annotated[NonEmpty, about("Service; by its full name.")]
    subset: Annotated[str, about("Subset of it, as a DestinationRule names it.")] = ""
    port: Annotated[PortSelector | None, about("Its port.")] = None


class OutboundTrafficPolicy(Strict, frozen=True, kw_only=True):
    """What becomes of traffic to unknown destinations."""

    mode: Annotated[
        Literal["REGISTRY_ONLY", "ALLOW_ANY", "ALLOW_ANY_DYNAMIC_DNS"] | None,
        about("Refuse it, let it pass, or let it pass and resolve names; ALLOW_ANY when absent."),
    ] = None
    egress_proxy: Annotated[EgressProxy | None, about("What it goes through, with ALLOW_ANY.")] = None


class InboundTrafficPolicy(Strict, frozen=True, kw_only=True):
    """Where inbound traffic is handed to the application."""

    mode: Annotated[
        Literal["PASSTHROUGH", "LOCALHOST"],
        about("At the pod's address, or at 127.0.0.1."),
    ] = "PASSTHROUGH"


class ProxyPathNormalization(Strict, frozen=True, kw_only=True):
    """How paths are made uniform before they are matched."""

    normalization: Annotated[
        Literal["DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"],
        about("Each does what the one before it does, and more; DEFAULT is BASE."),
    ] = "DEFAULT"


class TLSConfig(Strict, frozen=True, kw_only=True):
    """Bounds of TLS."""

    min_protocol_version: Annotated[
        Literal["TLS_AUTO", "TLSV1_2", "TLSV1_3"],
        about("Oldest version; TLSV1_2 when absent."),
    ] = "TLS_AUTO"
    ecdh_curves: Annotated[tuple[str, ...], about("Curves.")] = ()
    cipher_suites: Annotated[tuple[str, ...], about("Cipher suites of TLS 1.2.")] = ()


class CertificateData(Strict, frozen=True, kw_only=True):
    """Roots beside those of the mesh's own CA."""

    pem: Annotated[str, about("The certificates.")] = ""
    spiffe_bundle_url: Annotated[str, NOT_READ] = ""
    cert_signers: Annotated[tuple[str, ...], NOT_READ] = ()
    trust_domains: Annotated[tuple[str, ...], about("Trust domains they are for; the mesh's own when empty.")] = ()


class DefaultProviders(Lenient, frozen=True, kw_only=True):
    """Names of the providers that are used where a Telemetry names none."""

    tracing: Annotated[tuple[str, ...], about("Where spans go; the first one is used.")] = ()
    metrics: Annotated[tuple[str, ...], about("Who is given metrics.")] = ()
    access_logging: Annotated[tuple[str, ...], about("Where entries of access logs go.")] = ()


class ServiceSettingsSettings(Strict, frozen=True, kw_only=True):
    """What is set for some services."""

    cluster_local: Annotated[bool, about("Whether only endpoints of the client's own cluster serve.")] = False


class ServiceSettings(Strict, frozen=True, kw_only=True):
    """Settings for some services."""

    settings: Annotated[ServiceSettingsSettings | None, about("What is set.")] = None
    hosts: Annotated[tuple[str, ...], about("The services; `*.` at the front is any.")] = ()


class DefaultTrafficPolicy(Strict, frozen=True, kw_only=True):
    """The policy below every DestinationRule."""

    connection_pool: Annotated[ConnectionPoolSettings | None, about("Limits of connections.")] = None
    outlier_detection: Annotated[OutlierDetection | None, about("When endpoints are left out.")] = None


class MeshConfigSpec(Strict, frozen=True, kw_only=True):
    """The settings; None, empty or 0 where nothing is set, so that the defaults are the reader's."""

    proxy_listen_port: Annotated[OptionalPortNumber, about("Outbound port; 15001 when absent.")] = 0
    proxy_inbound_listen_port: Annotated[OptionalPortNumber, about("Inbound port; 15006 when absent.")] = 0
    proxy_http_port: Annotated[OptionalPortNumber, about("Port of an explicit HTTP proxy; 0 is none.")] = 0
    connect_timeout: Annotated[PositiveDuration | None, about("Longest time to connect; 10s when absent.")] = None
    protocol_detection_timeout: Annotated[Duration | None, about("Longest time to sniff; 0s is no limit.")] = None
    tcp_keepalive: Annotated[TcpKeepalive | None, about("Probes that find dead connections.")] = None
    ingress_class: Annotated[str, NOT_READ] = ""
    ingress_service: Annotated[str, NOT_READ] = ""
    ingress_controller_mode: Annotated[str, NOT_READ] = ""
    ingress_selector: Annotated[str, NOT_READ] = ""
    enable_tracing: Annotated[bool | None, about("Whether proxies trace; true when absent.")] = None
    access_log_file: Annotated[str, about("File of the access log; /dev/stdout is common, empty is none.")] = ""
    access_log_format: Annotated[str, about("Format of its lines; Envoy's own when absent.")] = ""
    access_log_encoding: Annotated[Literal["TEXT", "JSON"], about("What the format is: text, or JSON.")] = "TEXT"
    enable_envoy_access_log_service: Annotated[bool, NOT_READ] = False
    disable_envoy_listener_log: Annotated[bool, about("No log of connections that match no chain.")] = False
    default_config: Annotated[ProxyConfig | None, about("Settings of the proxies themselves.")] = None
    outbound_traffic_policy: Annotated[OutboundTrafficPolicy | None, about("Unknown destinations.")] = None
    inbound_traffic_policy: Annotated[InboundTrafficPolicy | None, about("Hand-over to the application.")] = None
    config_sources: Annotated[Any, NOT_READ] = None
    enable_auto_mtls: Annotated[bool | None, about("Mutual TLS wherever both sides can; true when absent.")] = None
    trust_domain: Annotated[str, about("Trust domain; cluster.local when absent.")] = ""
    trust_domain_aliases: Annotated[tuple[str, ...], about("Other trust domains that count as this one.")] = ()
    ca_certificates: Annotated[tuple[CertificateData, ...], about("More CAs that are trusted.")] = ()
    default_service_export_to: Annotated[tuple[str, ...], about("Who sees a Service that does not say.")] = ()
    default_virtual_service_export_to: Annotated[tuple[str, ...], about("The same for VirtualServices.")] = ()
    default_destination_rule_export_to: Annotated[tuple[str, ...], about("The same for DestinationRules.")] = ()
    root_namespace: Annotated[str, about("Namespace whose policies hold everywhere; istio-system if absent.")] = ""
    locality_lb_setting: Annotated[LocalityLoadBalancerSetting | None, about("Preference for near endpoints.")] = None
    dns_refresh_rate: Annotated[PositiveDuration | None, about("How often names are resolved; 60s if absent.")] = None
    h2_upgrade_policy: Annotated[
        Literal["DO_NOT_UPGRADE", "UPGRADE"],
        about("Whether HTTP/1.1 is sent on as HTTP/2."),
    ] = "DO_NOT_UPGRADE"
    inbound_cluster_stat_name: Annotated[str, about("Name of inbound clusters in statistics.")] = ""
    outbound_cluster_stat_name: Annotated[str, about("Name of outbound clusters in statistics.")] = ""
    certificates: Annotated[Any, NOT_READ] = None
    thrift_config: Annotated[Any, NOT_READ] = None
    service_settings: Annotated[tuple[ServiceSettings, ...], about("Settings for some services.")] = ()
    enable_prometheus_merge: Annotated[bool | None, about("Whether scrapes get the application's too.")] = None
    verify_certificate_at_client: Annotated[bool | None, about("Verify servers even without CAs named.")] = None
    ca: Annotated[Any, NOT_READ] = None
    extension_providers: Annotated[tuple[ExtensionProvider, ...], about("Services that policies name.")] = ()
    default_providers: Annotated[DefaultProviders | None, about("Providers where a policy names none.")] = None
    discovery_selectors: Annotated[tuple[LabelSelector, ...], about("Namespaces that are read; all when empty.")] = ()
    path_normalization: Annotated[ProxyPathNormalization | None, about("How paths are made uniform.")] = None
    default_http_retry_policy: Annotated[HTTPRetry | None, about("Retries where a route says nothing.")] = None
    default_inbound_http_retry_policy: Annotated[HTTPRetry | None, about("Retries of inbound routes.")] = None
    default_traffic_policy: Annotated[DefaultTrafficPolicy | None, about("Below every DestinationRule.")] = None
    mesh_mtls: Annotated[TLSConfig | None, about("Bounds of mutual TLS within the mesh.")] = field(
        name="meshMTLS", default=None
    )
    tls_defaults: Annotated[TLSConfig | None, about("Bounds of other TLS.")] = None
    mesh_networks: Annotated[
        MeshNetworks | None, about("Networks and their gateways; in a ConfigMap, a key of its own as in Istio.")
    ] = None


class MeshConfig(Authored, frozen=True, kw_only=True):
    """What holds for the whole mesh. A document may have the settings under ``spec`` or, as Istio, at its top."""

    KIND: ClassVar[Kind] = Kind("mesh.istio.io", "MeshConfig", ("v1alpha1",), "meshconfigs")

    spec: Annotated[MeshConfigSpec, about("The settings.")] = MeshConfigSpec()
