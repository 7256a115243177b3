"""External authorizers as Envoy's ext_authz filters. Source: istio-semantics 4.5."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from xds.api.envoy.config.core.v3.base_pb2 import HeaderValue
from xds.api.envoy.config.core.v3.config_source_pb2 import ApiVersion
from xds.api.envoy.config.core.v3.grpc_service_pb2 import GrpcService
from xds.api.envoy.config.core.v3.http_uri_pb2 import HttpUri
from xds.api.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import (
    AuthorizationRequest,
    AuthorizationResponse,
    BufferSettings,
    HttpService,
)
from xds.api.envoy.extensions.filters.http.ext_authz.v3.ext_authz_pb2 import ExtAuthz as HttpExtAuthz
from xds.api.envoy.extensions.filters.network.ext_authz.v3.ext_authz_pb2 import ExtAuthz as NetworkExtAuthz
from xds.api.envoy.type.matcher.v3.metadata_pb2 import MetadataMatcher
from xds.api.envoy.type.matcher.v3.string_pb2 import ListStringMatcher, StringMatcher
from xds.api.envoy.type.matcher.v3.value_pb2 import ValueMatcher
from xds.api.envoy.type.v3.http_status_pb2 import HttpStatus, StatusCode
from xds.model.filters import FilterSlot
from xds.model.provider import CheckedBody, ExternalAuthorizer
from xds.translators.authorization.policy import PolicyRules
from xds.translators.authorization.texts import text
from xds.wire.codec import duration

SHADOW: Final = "istio_ext_authz_"
# What RBAC filters leave behind: the name of the policy whose shadow rules matched.
_MATCHED: Final = f"{SHADOW}shadow_effective_policy_id"
HTTP_RBAC: Final = "envoy.filters.http.rbac"
NETWORK_RBAC: Final = "envoy.filters.network.rbac"


def of(policies: Iterable[PolicyRules]) -> ExternalAuthorizer | None:
    """The one authorizer that all of them name and MeshConfig knows; None when there is no such one."""
    found = {policy.provider: policy.authorizer for policy in policies}
    return next(iter(found.values())) if len(found) == 1 else None


def key_prefix(provider: str) -> str:
    """How the keys of policies begin that want this authorizer to be asked."""
    return f"istio-ext-authz-{provider}-"


def http_filter(known: ExternalAuthorizer) -> HttpExtAuthz:
    """The filter that asks the authorizer about the requests that CUSTOM_MATCH has marked."""
    message = HttpExtAuthz(
        stat_prefix=FilterSlot.CUSTOM.value,
        transport_api_version=ApiVersion.V3,
        failure_mode_allow=known.fail_open,
        status_on_error=HttpStatus(code=StatusCode.Name(known.status_on_error)),
        with_request_body=_body(known.body) if known.body is not None else None,
        clear_route_cache=known.clear_route_cache,
        filter_enabled_metadata=_marked(known, HTTP_RBAC),
    )
    if known.grpc:
        message.grpc_service.CopyFrom(_grpc_service(known))
        return message
    message.http_service.CopyFrom(_http_service(known))
    if (allowed := _any_of(known.check_headers)) is not None:
        message.allowed_headers.CopyFrom(allowed)
    return message


def network_filter(known: ExternalAuthorizer) -> NetworkExtAuthz:
    """The filter that asks the authorizer, which must speak gRPC, about connections that CUSTOM_MATCH has marked."""
    return NetworkExtAuthz(
        stat_prefix=f"{FilterSlot.CUSTOM.value}.",
        transport_api_version=ApiVersion.V3,
        failure_mode_allow=known.fail_open,
        grpc_service=_grpc_service(known),
        filter_enabled_metadata=_marked(known, NETWORK_RBAC),
    )


def _marked(known: ExternalAuthorizer, rbac: str) -> MetadataMatcher:
    begins = StringMatcher(prefix=key_prefix(known.name))
    return MetadataMatcher(
        filter=rbac,
        path=[MetadataMatcher.PathSegment(key=_MATCHED)],
        value=ValueMatcher(string_match=begins),
    )


def _grpc_service(known: ExternalAuthorizer) -> GrpcService:
    return GrpcService(
        envoy_grpc=GrpcService.EnvoyGrpc(cluster_name=known.cluster, authority=known.service.host),
        timeout=duration(known.timeout),
    )


def _http_service(known: ExternalAuthorizer) -> HttpService:
    # Headers that are not in a list are Envoy's to choose, hence no empty lists.
    answer = AuthorizationResponse(
        allowed_upstream_headers=_any_of(known.upstream_headers_on_allow),
        allowed_client_headers=_any_of(known.downstream_headers_on_deny),
        allowed_client_headers_on_success=_any_of(known.downstream_headers_on_allow),
    )
    request = AuthorizationRequest(
        headers_to_add=[HeaderValue(key=name, value=value) for name, value in known.added_headers]
    )
    return HttpService(
        server_uri=HttpUri(uri=f"http://{known.service.host}", cluster=known.cluster, timeout=duration(known.timeout)),
        path_prefix=known.path_prefix,
        authorization_request=request if known.added_headers else None,
        authorization_response=answer if answer.ListFields() else None,
    )


def _any_of(patterns: tuple[str, ...]) -> ListStringMatcher | None:
    return ListStringMatcher(patterns=[text(each) for each in patterns]) if patterns else None


def _body(body: CheckedBody) -> BufferSettings:
    return BufferSettings(
        max_request_bytes=body.max_bytes, allow_partial_message=body.allow_partial, pack_as_bytes=body.as_bytes
    )
