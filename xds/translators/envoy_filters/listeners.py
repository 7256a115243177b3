"""Patches of listeners, and of the chains and filters in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from google.protobuf.message import Message

from xds.api.envoy.config.listener.v3.listener_components_pb2 import FilterChain
from xds.api.envoy.config.listener.v3.listener_pb2 import Listener
from xds.api.envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.api.envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from xds.model.filters import FilterSlot
from xds.model.patch import TCP_PROXY, ApplyTo, Patch
from xds.translators.config_source import over_ads
from xds.translators.envoy_filters.lists import Inapplicable, edit, merged_over
from xds.wire import codec

HttpConnectionManager = http_connection_manager_pb2.HttpConnectionManager
HttpFilter = http_connection_manager_pb2.HttpFilter

_HCM: Final = codec.type_url(HttpConnectionManager)
_TCP_PROXY_TYPE: Final = codec.type_url(TcpProxy)
_VIRTUAL: Final = frozenset({"virtualInbound", "virtualOutbound"})
_OWN: Final = frozenset(slot.resource(tcp=tcp) for slot in FilterSlot for tcp in (False, True))
# What Istio calls the filters that stand in our slots: patches put theirs before or behind them.
_KNOWN_AS: Final = {
    FilterSlot.CUSTOM.value: "ext_authz",
    FilterSlot.REQUEST_AUTHENTICATION.value: "jwt_authn",
    FilterSlot.AUDIT.value: "rbac",
    FilterSlot.DENY.value: "rbac",
    FilterSlot.ALLOW.value: "rbac",
}


def patch_listener(patch: Patch, listener: Listener, value: Message, apart: frozenset[str]) -> int:
    """Apply the patch to a listener or to what is in it; how many places it touched.

    ``apart`` are names of HTTP filters whose configuration stands in the listener, and does not come by ECDS.
    Errors: Inapplicable; those of ``merge_over``.
    """
    if patch.to is ApplyTo.LISTENER:
        name = listener.name
        merged_over(listener, value, patch)
        listener.name = name
        return 1
    if patch.to is ApplyTo.LISTENER_FILTER:
        return edit(listener.listener_filters, patch, value, _called(_named(patch, patch.listener.listener_filter)))
    if patch.to is ApplyTo.FILTER_CHAIN:
        return _patch_chains(patch, listener, value)
    chains = [chain for chain in _chains(listener) if _means(patch, chain, listener.name)]
    if patch.to is ApplyTo.NETWORK_FILTER:
        return sum(_patch_filters(patch, chain, value) for chain in chains)
    return sum(_patch_managers(patch, chain, value, apart) for chain in chains)


def discovered(patch: Patch, apart: frozenset[str]) -> bool:
    """Whether the patch puts in an HTTP filter whose configuration comes by ECDS: its edits drain nothing."""
    if patch.to is not ApplyTo.HTTP_FILTER or not patch.operation.adds or not patch.config:
        return False
    return patch.name not in apart and patch.name not in _OWN


def _chains(listener: Listener) -> Iterator[FilterChain]:
    yield from listener.filter_chains
    if listener.HasField("default_filter_chain"):
        yield listener.default_filter_chain


def _means(patch: Patch, chain: FilterChain, listener: str) -> bool:
    wanted, match = patch.listener, chain.filter_chain_match
    # Where all ports share one listener, a port is what its chain asks for.
    ports = {wanted.destination_port, wanted.port if listener in _VIRTUAL else 0} - {0}
    return (
        (not wanted.chain or wanted.chain == chain.name)
        and (not wanted.sni or wanted.sni in match.server_names)
        and (not wanted.transport or wanted.transport == match.transport_protocol)
        and set(wanted.application_protocols) <= set(match.application_protocols)
        and ports <= {match.destination_port.value}
        and (not wanted.filter or any(_is_called(each, wanted.filter) for each in chain.filters))
    )


def _called(name: str) -> Callable[[Any], bool] | None:
    return (lambda item: _is_called(item, name)) if name else None


def _is_called(item: Any, name: str) -> bool:
    """Whether the filter has that name, or is a TCP proxy whose way comes by ECDS under a name of its own."""
    if item.name == name:
        return True
    return name == TCP_PROXY and _TCP_PROXY_TYPE in item.config_discovery.type_urls


def _patch_chains(patch: Patch, listener: Listener, value: Message) -> int:
    if patch.operation.adds:  # Envoy does not look at their order
        chain = FilterChain()
        chain.MergeFrom(value)  # type: ignore[arg-type]
        listener.filter_chains.append(chain)
        return 1
    chains = [chain for chain in _chains(listener) if _means(patch, chain, listener.name)]
    if patch.operation.merges:
        for chain in chains:
            merged_over(chain, value, patch)
        return len(chains)
    kept = [chain for chain in listener.filter_chains if not _means(patch, chain, listener.name)]
    if listener.HasField("default_filter_chain") and _means(patch, listener.default_filter_chain, listener.name):
        listener.ClearField("default_filter_chain")
    copies = [_copy(chain) for chain in kept]
    del listener.filter_chains[:]
    listener.filter_chains.extend(copies)
    if not listener.filter_chains and not listener.HasField("default_filter_chain"):
        raise Inapplicable(f"must leave {listener.name} a filter chain; remove the listener")
    return len(chains)


def _copy(chain: FilterChain) -> FilterChain:
    message = FilterChain()
    message.CopyFrom(chain)
    return message


def _patch_filters(patch: Patch, chain: FilterChain, value: Message) -> int:
    name = _named(patch, patch.listener.filter)
    if patch.operation.merges and any(each.name != name and _is_called(each, name) for each in chain.filters):
        if patch.everywhere(TCP_PROXY):
            return 0  # it is merged into what comes by ECDS
        raise Inapplicable("must match by filter.name alone: a TCP proxy's content comes apart from its listener")
    return edit(chain.filters, patch, value, _called(name), terminal=True)


def _patch_managers(patch: Patch, chain: FilterChain, value: Message, apart: frozenset[str]) -> int:
    touched = 0
    for each in chain.filters:
        if each.typed_config.type_url != _HCM or patch.listener.filter not in ("", each.name):
            continue
        manager = HttpConnectionManager.FromString(each.typed_config.value)
        found = _patch_http_filters(patch, manager, value, apart)
        if found:
            each.typed_config.CopyFrom(codec.pack(manager))
        touched += found
    return touched


def _patch_http_filters(patch: Patch, manager: HttpConnectionManager, value: Message, apart: frozenset[str]) -> int:
    name = _named(patch, patch.listener.http_filter)
    given = _referring(patch, value) if discovered(patch, apart) else value
    meant = _called(name)
    if name and patch.operation.adds and not any(each.name == name for each in manager.http_filters):
        meant = _stands_for(name)
    return edit(manager.http_filters, patch, given, meant, terminal=True)


def _stands_for(name: str) -> Callable[[Any], bool]:
    wanted = name.rpartition(".")[2]
    return lambda item: _KNOWN_AS.get(item.name) == wanted


def _named(patch: Patch, name: str) -> str:
    """The filter that a patch names, be it by what is put over it; none where it adds at an end."""
    if patch.operation.adds:
        return name
    name = name or patch.name
    if not name or name in _OWN:
        raise Inapplicable(f"must name a filter that is not the mesh's own policy, names {name or 'none'}")
    return name


def _referring(patch: Patch, value: Message) -> HttpFilter:
    """The filter with its configuration by ECDS. Until it is there, or where Envoy refuses it, all pass it by."""
    if not isinstance(value, HttpFilter):
        return HttpFilter()
    message = HttpFilter(name=value.name)
    nothing = codec.pack(RBAC())
    message.config_discovery.type_urls.extend(sorted({patch.config, nothing.type_url}))
    message.config_discovery.default_config.CopyFrom(nothing)
    over_ads(message.config_discovery.config_source)
    return message
