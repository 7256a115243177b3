"""The external authorizers among MeshConfig's ``extensionProviders``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Final

import msgspec

from xds.api.envoy.type.v3.http_status_pb2 import StatusCode
from xds.decoders.telemetry_providers import TELEMETRY
from xds.kinds import extension_provider as structs
from xds.model.provider import CheckedBody, ExternalAuthorizer
from xds.model.refs import FieldRef
from xds.model.route import Destination
from xds.translators.feature import Reading

_DEFAULT_TIMEOUT: Final = timedelta(seconds=600)
_LONGEST_TIMEOUT: Final = timedelta(days=36_500)  # Envoy takes 2**32 seconds
_DEFAULT_STATUS: Final = 403
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+")
_HEADER: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORIZERS: Final = ("envoy_ext_authz_http", "envoy_ext_authz_grpc")

Spoken = structs.EnvoyExternalAuthorizationHttpProvider | structs.EnvoyExternalAuthorizationGrpcProvider


def authorizers(
    providers: Iterable[structs.ExtensionProvider], at: FieldRef, reading: Reading
) -> tuple[ExternalAuthorizer, ...]:
    """Those that can be asked whether a request may pass, by name; providers of other kinds get a warning.

    Problems: extension-provider.*. Source: istio mesh/v1alpha1 MeshConfig.ExtensionProvider.
    """
    found: dict[str, ExternalAuthorizer] = {}
    seen: set[str] = set()
    for index, provider in enumerate(providers):
        here = at / index
        if provider.name in seen:
            message = f"is {provider.name!r}, as another provider's; names must differ"
            reading.error(here / "name", "extension-provider.name-twice", message)
        seen.add(provider.name)
        authorizer = _authorizer(provider, here, reading)
        if authorizer is not None:
            found[provider.name] = authorizer
    return tuple(found[name] for name in sorted(found))


def _authorizer(provider: structs.ExtensionProvider, at: FieldRef, reading: Reading) -> ExternalAuthorizer | None:
    stated = {
        field.name: field.encode_name
        for field in msgspec.structs.fields(provider)
        if field.name != "name" and getattr(provider, field.name) is not None
    }
    if len(stated) != 1:
        message = f"must have exactly one kind of provider, has {', '.join(stated.values()) or 'none'}"
        reading.error(at, "extension-provider.one-kind", message)
        return None
    name, field = next(iter(stated.items()))
    if name in TELEMETRY:
        return None
    if name not in _AUTHORIZERS:
        reading.warning(at / field, "extension-provider.not-read", "is not carried out by this version")
        return None
    http, grpc = provider.envoy_ext_authz_http, provider.envoy_ext_authz_grpc
    spoken = http or grpc
    assert spoken is not None
    known = _common(provider.name, spoken, at / field, reading)
    if http is None:
        return known
    _check_path_prefix(http.path_prefix, at / field / "pathPrefix", reading)
    return _over_http(known, http, at / field, reading)


def _common(name: str, spoken: Spoken, at: FieldRef, reading: Reading) -> ExternalAuthorizer:
    host = spoken.service.rpartition("/")[2]
    if spoken.timeout is not None and spoken.timeout > _LONGEST_TIMEOUT:
        reading.error(at / "timeout", "extension-provider.timeout", "must be no longer than 100 years")
    if not _HOST.fullmatch(host):
        message = f"must be HOST or NAMESPACE/HOST, is {spoken.service!r}"
        reading.error(at / "service", "extension-provider.service", message)
    body = spoken.include_request_body_in_check
    return ExternalAuthorizer(
        name=name,
        service=Destination(reading.fqdn(host), port=spoken.port),
        grpc=isinstance(spoken, structs.EnvoyExternalAuthorizationGrpcProvider),
        timeout=spoken.timeout or _DEFAULT_TIMEOUT,
        fail_open=spoken.fail_open,
        status_on_error=_status(spoken.status_on_error, at / "statusOnError", reading),
        body=CheckedBody(body.max_request_bytes, body.allow_partial_message, body.pack_as_bytes) if body else None,
        clear_route_cache=spoken.clear_route_cache,
    )


def _over_http(
    known: ExternalAuthorizer,
    http: structs.EnvoyExternalAuthorizationHttpProvider,
    at: FieldRef,
    reading: Reading,
) -> ExternalAuthorizer:
    def patterns(texts: tuple[str, ...], field: str) -> tuple[str, ...]:
        return tuple(_patterns(texts, at / field, reading))

    old = patterns(http.include_headers_in_check, "includeHeadersInCheck")
    return replace(
        known,
        path_prefix=http.path_prefix,
        check_headers=(patterns(http.include_request_headers_in_check, "includeRequestHeadersInCheck") or old),
        added_headers=tuple(_added(http.include_additional_headers_in_check, at, reading)),
        upstream_headers_on_allow=patterns(http.headers_to_upstream_on_allow, "headersToUpstreamOnAllow"),
        downstream_headers_on_allow=patterns(http.headers_to_downstream_on_allow, "headersToDownstreamOnAllow"),
        downstream_headers_on_deny=patterns(http.headers_to_downstream_on_deny, "headersToDownstreamOnDeny"),
    )


def _check_path_prefix(prefix: str, at: FieldRef, reading: Reading) -> None:
    if prefix and (not prefix.startswith("/") or _UNPRINTABLE.search(prefix)):
        reading.error(at, "extension-provider.path-prefix", f"must begin with a slash, is {prefix!r}")


def _status(text: str, at: FieldRef, reading: Reading) -> int:
    if not text:
        return _DEFAULT_STATUS
    number = int(text) if re.fullmatch("[0-9]{3}", text) else 0
    if number in StatusCode.values() and number:
        return number
    reading.error(at, "extension-provider.status", f"must be an HTTP status that Envoy knows such as 403, is {text!r}")
    return _DEFAULT_STATUS


def _patterns(texts: tuple[str, ...], at: FieldRef, reading: Reading) -> Iterator[str]:
    for index, text in enumerate(texts):
        plain = text.removeprefix("*") if text.startswith("*") else text.removesuffix("*")
        if _HEADER.fullmatch(plain) and "*" not in plain:
            yield text.lower()
        else:
            message = f"must be a header's name, maybe with `*` at one end, is {text!r}"
            reading.error(at / index, "extension-provider.header", message)


def _added(headers: dict[str, str], at: FieldRef, reading: Reading) -> Iterator[tuple[str, str]]:
    for name, value in sorted(headers.items()):
        here = (at / "includeAdditionalHeadersInCheck").key(name)
        if not _HEADER.fullmatch(name):
            reading.error(here, "extension-provider.header", f"must be a header's name, is {name!r}")
        elif _UNPRINTABLE.search(value):
            reading.error(here, "extension-provider.header", "must have no control characters in its value")
        else:
            yield name.lower(), value
