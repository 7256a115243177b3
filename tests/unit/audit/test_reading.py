"""What entries of a real Envoy tell, decision by decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.audit.captured import entry, request
from xds.api.envoy.data.accesslog.v3.accesslog_pb2 import HTTPAccessLogEntry
from xds.audit.reading import sightings
from xds.audit.refusal import Kind, PolicyId, Sighting, Stage
from xds.translators.authorization.authorizer import SHADOW
from xds.translators.authorization.envoy import UNDECIDABLE

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
CLIENT = "spiffe://td/ns/c/sa/client"
RBAC = "envoy.filters.http.rbac"


def seen(name: str) -> list[Sighting]:
    return list(sightings(entry(name), NOW))


@pytest.mark.parametrize(
    "name, kind, stage, policy",
    [
        ("deny", Kind.REFUSED, Stage.DENY, "no"),
        ("deny plain", Kind.REFUSED, Stage.DENY, "no"),
        ("none", Kind.REFUSED, Stage.ALLOW, ""),
        ("audit", Kind.AUDITED, Stage.AUDIT, "watch"),
        ("dry deny", Kind.WOULD_REFUSE, Stage.DENY, "dry"),
        ("dry allow", Kind.WOULD_REFUSE, Stage.ALLOW, ""),
        ("no cert", Kind.HANDSHAKE, Stage.MTLS, ""),
    ],
)
def test_what_decided(name: str, kind: Kind, stage: Stage, policy: str) -> None:
    [one] = seen(name)
    assert (one.kind, one.stage) == (kind, stage)
    assert one.policy == (PolicyId("shop", policy, 0) if policy else None)


def test_a_request() -> None:
    [one] = seen("deny")
    assert (one.peer, one.proven, one.address) == (CLIENT, True, "127.0.0.1")
    assert (one.protocol, one.method, one.host, one.path, one.status) == ("HTTP/1.1", "GET", "a.b", "/deny", 403)
    assert one.when.date() == NOW.date()
    assert not seen("deny plain")[0].peer


def test_the_id_of_a_request_which_its_caller_may_choose() -> None:
    told = entry("deny")
    assert isinstance(told, HTTPAccessLogEntry)
    told.request.request_id = "a-b\x1b" + "c" * 1000
    [one] = sightings(told, NOW)
    assert one.request_id.startswith("a-b?ccc")
    assert len(one.request_id) == 300


def test_a_connection() -> None:
    refused, audited = seen("tcp deny server")
    assert (refused.kind, refused.stage, refused.protocol) == (Kind.REFUSED, Stage.DENY, "TCP")
    assert refused.policy == PolicyId("shop", "no", 0)
    assert (refused.status, refused.method, refused.path) == (0, "", "")
    assert (audited.kind, audited.policy) == (Kind.AUDITED, None)
    assert [each.kind for each in seen("tcp ok client (dry)")] == [Kind.WOULD_REFUSE, Kind.AUDITED]


@pytest.mark.parametrize(
    "name, because",
    [
        ("no cert", "the caller shows no certificate"),
        ("foreign", "the caller's certificate is of an authority that is not the mesh's"),
        ("expired", "the caller's certificate has expired"),
        ("other domain", "the caller's certificate is of another trust domain"),
        ("plain to strict", "the caller speaks plaintext HTTP, and mutual TLS is required"),
        ("raw to strict", "the caller speaks no TLS, and mutual TLS is required"),
        ("tcp nocert", "the caller shows no certificate"),
    ],
)
def test_why_a_handshake_failed(name: str, because: str) -> None:
    [one] = seen(name)
    assert (one.kind, one.why, one.protocol) == (Kind.HANDSHAKE, because, "TLS")


def test_who_fails_a_handshake_has_proven_nothing() -> None:
    [one] = seen("foreign")
    assert (one.peer, one.proven) == (CLIENT, False)


@pytest.mark.parametrize(
    "details, stage, because",
    [
        ("jwt_authn_access_denied{Jwt_is_missing}", Stage.TOKEN, "Jwt is missing"),
        ("ext_authz_denied", Stage.CUSTOM, "the external authorizer refuses"),
        ("ext_authz_error", Stage.CUSTOM, "the external authorizer does not answer"),
        (
            f"rbac_access_denied_matched_policy[ns[shop]-policy[no]-rule[0]{UNDECIDABLE}]",
            Stage.CUSTOM,
            "the external authorizer that the policy names is not known",
        ),
    ],
)
def test_other_filters(details: str, stage: Stage, because: str) -> None:
    message = request()
    message.response.response_code_details = details
    [one] = sightings(message, NOW)
    assert (one.kind, one.stage, one.why) == (Kind.REFUSED, stage, because)


def test_the_policy_that_had_the_authorizer_asked() -> None:
    message = request()
    message.response.response_code_details = "ext_authz_denied"
    fields = message.common_properties.metadata.filter_metadata[RBAC].fields
    marked = "istio-ext-authz-opa-ns[shop]-policy[ask]-rule[2]"
    fields[f"{SHADOW}shadow_effective_policy_id"].string_value = marked
    [one] = sightings(message, NOW)
    assert one.policy == PolicyId("shop", "ask", 2)


def test_a_request_that_a_dry_run_would_refuse_too_is_refused_once() -> None:
    message = request()
    fields = message.common_properties.metadata.filter_metadata[RBAC].fields
    fields["istio_dry_run_deny_shadow_engine_result"].string_value = "denied"
    assert [one.kind for one in sightings(message, NOW)] == [Kind.REFUSED]


def test_what_is_not_ours_is_nothing() -> None:
    message = request()
    message.response.response_code_details = "via_upstream"
    assert not list(sightings(message, NOW))


def test_what_callers_choose_is_cut_and_cleaned() -> None:
    message = request()
    message.request.path = "/\x1b[2Jx\n" + "y" * 1000
    message.request.authority = "a\r\nb"
    message.request.request_method = 99  # type: ignore[assignment]  # what a newer Envoy may know
    [one] = sightings(message, NOW)
    assert one.path.startswith("/?[2Jx?y")
    assert len(one.path) == 300
    assert (one.host, one.method) == ("a??b", "other")


@pytest.mark.parametrize("off", [timedelta(hours=1), timedelta(days=-2)])
def test_a_proxy_whose_clock_is_off_is_not_believed(off: timedelta) -> None:
    message = request()
    message.common_properties.start_time.FromDatetime(NOW + off)
    [one] = sightings(message, NOW)
    assert one.when == NOW


def test_the_path_is_the_one_that_was_judged_not_the_one_that_a_header_of_the_caller_says() -> None:
    told = request()
    told.request.path, told.request.original_path = "/secret?token=1", "/harmless"
    [one] = sightings(told, NOW)
    assert one.path == "/secret"


def test_names_of_policies_are_cleaned_and_cut() -> None:
    told = request()
    long = "x" * 100_000
    told.response.response_code_details = f"rbac_access_denied_matched_policy[ns[\x1b[2J]-policy[a\nb{long}]-rule[0]]"
    [one] = sightings(told, NOW)
    assert one.policy is not None
    assert one.policy.namespace == "?[2J"
    assert one.policy.name.startswith("a?b")
    assert len(one.policy.name) == 300


def test_a_moment_that_cannot_be_is_now() -> None:
    told = request()
    told.common_properties.start_time.seconds = 2**62
    [one] = sightings(told, NOW)
    assert one.when == NOW
