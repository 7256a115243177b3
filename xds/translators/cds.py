"""Clusters: how a service's hosts are found, picked, connected to and spoken to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.any_pb2 import Any as AnyMessage

from xds.api.envoy.config.cluster.v3.cluster_pb2 import Cluster
from xds.api.envoy.config.core.v3.base_pb2 import TransportSocket
from xds.api.envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from xds.api.envoy.extensions.clusters.common.dns.v3.dns_pb2 import ALL, V4_PREFERRED, V6_ONLY
from xds.api.envoy.extensions.clusters.dns.v3.dns_cluster_pb2 import DnsCluster
from xds.api.envoy.extensions.transport_sockets.raw_buffer.v3.raw_buffer_pb2 import RawBuffer
from xds.api.envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions
from xds.model.families import Families
from xds.model.policy import Policies, Policy
from xds.translators import dynamic_forward_proxy
from xds.translators.config_source import over_ads
from xds.translators.eds import spell_localities
from xds.translators.feature import Feature
from xds.translators.merge import merge
from xds.translators.mesh_tls import spell_cluster
from xds.translators.registry import features
from xds.view.names import BLACK_HOLE, INBOUND_PASSTHROUGH, PASSTHROUGH
from xds.view.specs.clusters import ClusterSpec, Discovery, UpstreamProtocol
from xds.wire.codec import duration, pack

_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_ISTIO: Final = "istio"  # the metadata key that istioctl, Kiali and access logs read
_NAMED: Final = frozenset({BLACK_HOLE, PASSTHROUGH, INBOUND_PASSTHROUGH})  # they count as services of their name


def cluster(spec: ClusterSpec) -> Cluster:
    """The Cluster of ``spec``: the fragments of its policies, then what its discovery demands, then defaults."""
    message = Cluster(name=spec.name, alt_stat_name=f"{spec.name};")
    stated = tuple(_stated(spec.policies))
    for feature, policy in stated:
        if feature.cluster is not None:
            merge(message, feature.cluster(policy))
    if not message.HasField("connect_timeout"):
        message.connect_timeout.CopyFrom(duration(spec.connect_timeout))
    if not message.common_lb_config.HasField("healthy_panic_threshold"):
        message.common_lb_config.healthy_panic_threshold.value = 0
    _DISCOVERIES[spec.discovery](spec, message)
    if spec.source_addresses:
        first, *others = spec.source_addresses
        message.upstream_bind_config.source_address.address = first
        message.upstream_bind_config.source_address.port_value = 0
        for other in others:
            extra = message.upstream_bind_config.extra_source_addresses.add().address
            extra.address, extra.port_value = other, 0
    if spec.mesh_tls is not None:
        spell_cluster(spec.mesh_tls, message)
    _wrap_transport(stated, message)
    if spec.protocol is not UpstreamProtocol.TCP:
        message.typed_extension_protocol_options[_HTTP_OPTIONS].CopyFrom(_http_options(spec.protocol, stated))
    _describe(spec, message)
    return message


def _stated(policies: Policies) -> Iterator[tuple[Feature[Any], Policy]]:
    for feature in features():
        policy: Policy | None = policies.get(feature.policy)
        if policy is None:
            policy = feature.cluster_default
        if policy is not None:
            yield feature, policy


def _eds(spec: ClusterSpec, message: Cluster) -> None:
    # The fetch timeout stays Envoy's 15 s: if ever EDS is late, a changed cluster goes on with the endpoints it had.
    message.type = Cluster.EDS
    if message.lb_policy == Cluster.CLUSTER_PROVIDED:  # of a gateway, whose clients have chosen no address
        message.lb_policy = Cluster.ROUND_ROBIN
    source = message.eds_cluster_config.eds_config
    over_ads(source)


def _static(spec: ClusterSpec, message: Cluster) -> None:
    message.type = Cluster.STATIC
    _spell_hosts(spec, message)


def _original_dst(spec: ClusterSpec, message: Cluster) -> None:
    # The caller has picked the address: whatever else was asked for cannot hold.
    message.type = Cluster.ORIGINAL_DST
    message.lb_policy = Cluster.CLUSTER_PROVIDED
    config = message.WhichOneof("lb_config")
    if config is not None:
        message.ClearField(config)
    if spec.port_override:
        message.original_dst_lb_config.upstream_port_override.value = spec.port_override


def _strict_dns(spec: ClusterSpec, message: Cluster) -> None:
    _dns(spec, message, one_address=False)


def _logical_dns(spec: ClusterSpec, message: Cluster) -> None:
    _dns(spec, message, one_address=True)


def _dns(spec: ClusterSpec, message: Cluster, *, one_address: bool) -> None:
    # Many addresses in one endpoint are tried in turn; as endpoints of their own, each must be reachable.
    family = ALL if one_address else V4_PREFERRED
    if spec.families is Families.IPV6:
        family = V6_ONLY
    # Cluster.type STRICT_DNS and its neighbours are deprecated: this is the same, as an extension.
    message.cluster_type.name = "envoy.clusters.dns"
    message.cluster_type.typed_config.CopyFrom(
        pack(
            DnsCluster(
                dns_refresh_rate=duration(spec.dns_refresh_rate),
                respect_dns_ttl=True,
                dns_lookup_family=family,
                all_addresses_in_single_endpoint=one_address,
            )
        )
    )
    _spell_hosts(spec, message)


def _spell_hosts(spec: ClusterSpec, message: Cluster) -> None:
    if spec.endpoints:
        message.load_assignment.cluster_name = spec.name
        spell_localities(spec.endpoints, message.load_assignment)


def _dynamic_dns(spec: ClusterSpec, message: Cluster) -> None:
    dynamic_forward_proxy.spell_cluster(message)


_DISCOVERIES: Final = {
    Discovery.EDS: _eds,
    Discovery.STATIC: _static,
    Discovery.ORIGINAL_DST: _original_dst,
    Discovery.STRICT_DNS: _strict_dns,
    Discovery.LOGICAL_DNS: _logical_dns,
    Discovery.DYNAMIC_DNS: _dynamic_dns,
}


def _wrap_transport(stated: tuple[tuple[Feature[Any], Policy], ...], message: Cluster) -> None:
    for feature, policy in stated:
        if feature.transport_socket is None:
            continue
        if not message.transport_socket_matches and not message.HasField("transport_socket"):
            message.transport_socket.CopyFrom(_plaintext())
        matched = [each.transport_socket for each in message.transport_socket_matches]
        for socket in matched or [message.transport_socket]:
            socket.CopyFrom(feature.transport_socket(policy, socket))


def _plaintext() -> TransportSocket:
    return TransportSocket(name="envoy.transport_sockets.raw_buffer", typed_config=pack(RawBuffer()))


def _http_options(protocol: UpstreamProtocol, stated: tuple[tuple[Feature[Any], Policy], ...]) -> AnyMessage:
    message, http2 = HttpProtocolOptions(), Http2ProtocolOptions()
    for feature, policy in stated:
        if feature.http_protocol_options is not None:
            merge(message, feature.http_protocol_options(policy))
        if feature.http2_protocol_options is not None:
            merge(http2, feature.http2_protocol_options(policy))
    if protocol is UpstreamProtocol.HTTP1:
        message.explicit_http_config.http_protocol_options.SetInParent()
    elif protocol is UpstreamProtocol.HTTP2:
        message.explicit_http_config.http2_protocol_options.CopyFrom(http2)
    else:
        message.use_downstream_protocol_config.http_protocol_options.SetInParent()
        message.use_downstream_protocol_config.http2_protocol_options.CopyFrom(http2)
    return pack(message)


def _describe(spec: ClusterSpec, message: Cluster) -> None:
    host, name, namespace = spec.service
    if not name and spec.name in _NAMED:
        message.metadata.filter_metadata[_ISTIO]["name"] = spec.name
    if spec.authored is None and not name:
        return
    about = message.metadata.filter_metadata[_ISTIO]
    if spec.authored is not None:
        rule = spec.authored
        about["config"] = f"/apis/{rule.group}/v1/namespaces/{rule.namespace}/destination-rule/{rule.name}"
    if name:
        about["services"] = [{"host": host, "name": name, "namespace": namespace}]
        about.update({"host": host, "name": name, "namespace": namespace})  # for access loggers, which read no lists
