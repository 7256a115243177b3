"""TCP on a chain: where its bytes go, in the listener or apart from it (ECDS), so that an edit drains nothing."""

from __future__ import annotations

from typing import Final

from xds.api.envoy.config.core.v3.config_source_pb2 import ExtensionConfigSource
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.listener.v3.listener_components_pb2 import Filter
from xds.api.envoy.extensions.filters.common.set_filter_state.v3.value_pb2 import FilterStateValue
from xds.api.envoy.extensions.filters.network.set_filter_state.v3.set_filter_state_pb2 import Config as SetFilterState
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.translators import access_logs, dynamic_forward_proxy, request_logs, standard_metrics, told_metrics
from xds.translators.config_source import over_ads
from xds.translators.merge import merge
from xds.translators.registry import features
from xds.translators.standard_metrics import Reporter
from xds.view.specs.listeners import FoundChain, Guard, TcpChain
from xds.view.specs.observed import Observed
from xds.view.specs.resources import ConnectionSpec, OfferedProtocols
from xds.wire.codec import pack, type_url

_TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
_SET_FILTER_STATE: Final = "envoy.filters.network.set_filter_state"
_TCP_PROXY_TYPE: Final = type_url(TcpProxy())
_SET_FILTER_STATE_TYPE: Final = type_url(SetFilterState())


def found(content: FoundChain) -> tuple[Filter, ...]:
    """The filters of a chain whose way comes apart from the listener."""
    filters = []
    if content.offers:
        filters.append(_discovered(OfferedProtocols(content.name).name, _SET_FILTER_STATE_TYPE))
    if content.resolves:
        filters.append(dynamic_forward_proxy.sni_filter(content.resolves))
    # No default configuration: until the real one is there, nothing may pass.
    return (*filters, _discovered(content.name, _TCP_PROXY_TYPE))


def _discovered(name: str, wanted: str) -> Filter:
    source = ExtensionConfigSource(type_urls=[wanted])
    over_ads(source.config_source)
    return Filter(name=name, config_discovery=source)


def way(spec: ConnectionSpec) -> TypedExtensionConfig:
    """The configuration of the filter that passes on the bytes of the chains that name it."""
    return TypedExtensionConfig(
        name=spec.name, typed_config=pack(_tcp_proxy(spec.content, spec.guard, Reporter.SOURCE, spec.observed))
    )


def offered(spec: OfferedProtocols) -> TypedExtensionConfig:
    """The configuration of the filter that decides what is offered by ALPN; with nothing, the cluster decides."""
    config = _filter_state(spec.alpn) if spec.alpn else SetFilterState()
    return TypedExtensionConfig(name=spec.name, typed_config=pack(config))


def passing(chain: TcpChain, guard: Guard | None, reporter: Reporter, observed: Observed) -> Filter:
    """The filter of a chain that says itself where its bytes go."""
    return Filter(name=_TCP_PROXY, typed_config=pack(_tcp_proxy(chain, guard, reporter, observed)))


def offering(alpn: tuple[str, ...]) -> Filter:
    """The filter that has the upstream's TLS offer these protocols instead of its cluster's."""
    return Filter(name=_SET_FILTER_STATE, typed_config=pack(_filter_state(alpn)))


def _filter_state(alpn: tuple[str, ...]) -> SetFilterState:
    value = FilterStateValue(
        object_key="envoy.network.application_protocols", shared_with_upstream=FilterStateValue.ONCE
    )
    value.format_string.text_format_source.inline_string = ",".join(alpn)
    return SetFilterState(on_new_connection=[value])


def _tcp_proxy(chain: TcpChain, guard: Guard | None, reporter: Reporter, observed: Observed) -> TcpProxy:
    message = TcpProxy(stat_prefix=chain.stat_prefix)
    if guard is not None:
        message.access_log.extend(access_logs.tcp_loggers(guard))
    message.access_log.extend(standard_metrics.tcp_loggers(reporter, observed.counted))
    message.access_log.extend(told_metrics.tcp_loggers(reporter))
    message.access_log.extend(request_logs.tcp_loggers(observed, outbound=reporter is Reporter.SOURCE))
    message.access_log_options.CopyFrom(access_logs.tcp_options(guard))
    shares = [share for share in chain.clusters if share.weight] or list(chain.clusters[:1])
    if len(shares) == 1:
        message.cluster = shares[0].cluster
    else:
        for share in shares:
            message.weighted_clusters.clusters.add(name=share.cluster, weight=share.weight)
    for feature in features():
        policy = chain.policies.get(feature.policy)
        if policy is not None and feature.tcp_proxy is not None:
            merge(message, feature.tcp_proxy(policy))
    return message
