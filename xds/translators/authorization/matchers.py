"""Conditions as RBAC's permissions (what is asked for) and principals (who asks). Source: istio-semantics 4.2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_network
from typing import Final

from xds.api.envoy.config.core.v3.address_pb2 import CidrRange
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.api.envoy.config.rbac.v3.rbac_pb2 import Permission, Principal, SourcedMetadata
from xds.api.envoy.config.route.v3.route_components_pb2 import HeaderMatcher
from xds.api.envoy.extensions.path.match.uri_template.v3.uri_template_match_pb2 import UriTemplateMatchConfig
from xds.api.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from xds.api.envoy.type.matcher.v3.path_pb2 import PathMatcher
from xds.api.envoy.type.matcher.v3.string_pb2 import StringMatcher
from xds.api.envoy.type.matcher.v3.value_pb2 import ListMatcher, OrMatcher, ValueMatcher
from xds.model.identity import SCHEME, TrustDomains
from xds.translators.authorization.policy import Attribute, Condition, request_principal, strangers
from xds.translators.authorization.texts import caller, text
from xds.wire.codec import pack, u32

# Where the JWT filter leaves a token's payload.
_TOKENS: Final = "envoy.filters.http.jwt_authn"
_PAYLOAD: Final = "payload"
_URI_TEMPLATE: Final = "envoy.path.match.uri_template.uri_template_matcher"
_ASKED_FOR: Final = frozenset(
    {
        Attribute.HOST,
        Attribute.METHOD,
        Attribute.PATH,
        Attribute.PORT,
        Attribute.DESTINATION_ADDRESS,
        Attribute.SNI,
        Attribute.FILTER_METADATA,
    }
)


def is_asked_for(condition: Condition) -> bool:
    """Whether the condition is a permission's; else it is a principal's."""
    return condition.attribute in _ASKED_FOR


def permission(conditions: Iterable[Condition]) -> Permission:
    """That all of these conditions hold, which must be a permission's; no condition is anything."""
    parts: list[Permission] = []
    for condition in conditions:
        if condition.values:
            parts.append(_any_permission(condition, condition.values))
        if condition.not_values:
            parts.append(Permission(not_rule=_any_permission(condition, condition.not_values)))
    if not parts:
        return Permission(any=True)
    return parts[0] if len(parts) == 1 else Permission(and_rules=Permission.Set(rules=parts))


def principal(conditions: Iterable[Condition], trust: TrustDomains, *, narrow: bool) -> Principal:
    """That all of these conditions hold, which must be a principal's; no condition is anybody.

    ``narrow``: callers of federated meshes count only where they are meant (ALLOW); else they count with ours, too.
    """
    parts: list[Principal] = []
    for condition in conditions:
        if condition.values:
            parts.append(_any_principal(condition, condition.values, trust, narrow=narrow))
        if condition.not_values:
            unwanted = _any_principal(condition, condition.not_values, trust, narrow=not narrow)
            parts.append(Principal(not_id=unwanted))
    if not parts:
        return Principal(any=True)
    return parts[0] if len(parts) == 1 else Principal(and_ids=Principal.Set(ids=parts))


def _any_permission(condition: Condition, values: Sequence[str]) -> Permission:
    if condition.attribute is Attribute.FILTER_METADATA:
        matcher = _written_by_filter(condition.key, values)
        return Permission(sourced_metadata=SourcedMetadata(metadata_matcher=matcher))
    each = [_PERMISSIONS[condition.attribute](value) for value in values]
    return each[0] if len(each) == 1 else Permission(or_rules=Permission.Set(rules=each))


def _any_principal(condition: Condition, values: Sequence[str], trust: TrustDomains, *, narrow: bool) -> Principal:
    if condition.attribute in (Attribute.AUDIENCES, Attribute.PRESENTER, Attribute.CLAIM):
        return _claim(condition.claim, list(map(text, values)))
    each = [found for value in values for found in _principals(condition, value, trust, narrow=narrow)]
    return each[0] if len(each) == 1 else Principal(or_ids=Principal.Set(ids=each))


# -- what is asked for


def _host(value: str) -> Permission:
    return Permission(header=_header(":authority", value, ignore_case=True))


def _method(value: str) -> Permission:
    return Permission(header=_header(":method", value))


def _path(value: str) -> Permission:
    if "{" not in value:
        return Permission(url_path=PathMatcher(path=text(value)))
    template = value.replace("{**}", "**").replace("{*}", "*")
    config = pack(UriTemplateMatchConfig(path_template=template))
    return Permission(uri_template=TypedExtensionConfig(name=_URI_TEMPLATE, typed_config=config))


def _port(value: str) -> Permission:
    return Permission(destination_port=int(value))


def _destination_address(value: str) -> Permission:
    return Permission(destination_ip=_block(value))


def _sni(value: str) -> Permission:
    return Permission(requested_server_name=text(value))


_PERMISSIONS: Final[dict[Attribute, Callable[[str], Permission]]] = {
    Attribute.HOST: _host,
    Attribute.METHOD: _method,
    Attribute.PATH: _path,
    Attribute.PORT: _port,
    Attribute.DESTINATION_ADDRESS: _destination_address,
    Attribute.SNI: _sni,
}


def _written_by_filter(key: tuple[str, ...], values: Iterable[str]) -> MetadataMatcher:
    """A value that another filter has left; ``[abc]`` is one that is in a list."""
    each = [
        _in_list(text(value[1:-1])) if value.startswith("[") and value.endswith("]") else _string(text(value))
        for value in values
    ]
    return _metadata(key[0], key[1:], each)


# -- who asks


def _principals(condition: Condition, value: str, trust: TrustDomains, *, narrow: bool) -> list[Principal]:
    match condition.attribute:
        case Attribute.PEER_ADDRESS:
            return [Principal(direct_remote_ip=_block(value))]
        case Attribute.REMOTE_ADDRESS:
            return [Principal(remote_ip=_block(each)) for each in _spellings(value)]
        case Attribute.HEADER:
            return [Principal(header=_header(condition.key[0], value))]
        case Attribute.REQUEST_PRINCIPAL:
            issuer, subject = request_principal(value)
            both = [_claim(("iss",), [text(issuer)], listed=False), _claim(("sub",), [text(subject)], listed=False)]
            return [Principal(and_ids=Principal.Set(ids=both))]
        case _:
            found = [_authenticated(each) for each in caller(condition.attribute, value, trust)]
            foreign = strangers(condition.attribute, value, trust) if narrow else ()
            return (
                [Principal(and_ids=Principal.Set(ids=[each, *map(_not_of, foreign)])) for each in found]
                if foreign
                else found
            )


def _authenticated(wanted: StringMatcher) -> Principal:
    return Principal(authenticated=Principal.Authenticated(principal_name=wanted))


def _not_of(trust_domain: str) -> Principal:
    return Principal(not_id=_authenticated(StringMatcher(prefix=f"{SCHEME}{trust_domain}/")))


def _claim(path: tuple[str, ...], wanted: Sequence[StringMatcher], *, listed: bool = True) -> Principal:
    """A claim that is one of the wanted, or (``listed``) a list that has one."""
    values = [_string(each) for each in wanted]
    if listed:
        values += [_in_list(each) for each in wanted]
    matcher = _metadata(_TOKENS, (_PAYLOAD, *path), values)
    return Principal(sourced_metadata=SourcedMetadata(metadata_matcher=matcher))


# -- parts


def _metadata(namespace: str, path: Iterable[str], values: Sequence[ValueMatcher]) -> MetadataMatcher:
    value = values[0] if len(values) == 1 else ValueMatcher(or_match=OrMatcher(value_matchers=values))
    segments = [MetadataMatcher.PathSegment(key=key) for key in path]
    return MetadataMatcher(filter=namespace, path=segments, value=value)


def _string(wanted: StringMatcher) -> ValueMatcher:
    return ValueMatcher(string_match=wanted)


def _in_list(wanted: StringMatcher) -> ValueMatcher:
    return ValueMatcher(list_match=ListMatcher(one_of=_string(wanted)))


def _header(name: str, pattern: str, *, ignore_case: bool = False) -> HeaderMatcher:
    if pattern == "*":
        return HeaderMatcher(name=name, present_match=True)
    return HeaderMatcher(name=name, string_match=text(pattern, ignore_case=ignore_case))


def _spellings(cidr: str) -> tuple[str, ...]:
    # A proxy before ours whose sockets are for both families may tell its IPv4 clients by IPv4-mapped addresses.
    network = ip_network(cidr, strict=False)
    if network.version == 6:
        return (cidr,)
    return (cidr, f"::ffff:{network.network_address}/{96 + network.prefixlen}")


def _block(cidr: str) -> CidrRange:
    network = ip_network(cidr, strict=False)
    return CidrRange(address_prefix=str(network.network_address), prefix_len=u32(network.prefixlen))
