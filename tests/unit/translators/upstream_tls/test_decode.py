"""Tls, read; and the parts of its spelling that no golden has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.traffic_policy import read, traffic_policy
from xds.translators.upstream_tls import envoy
from xds.translators.upstream_tls.decode import upstream_tls
from xds.translators.upstream_tls.policy import Mode, UpstreamTls
from xds.wire.codec import to_plain

Plain = dict[str, Any]


def tls(block: Plain) -> tuple[Any, list[str]]:
    return read(upstream_tls, traffic_policy({"tls": block}))


def test_absent_is_no_policy() -> None:
    assert read(upstream_tls, traffic_policy({})) == (None, [])


def test_names_are_sorted_and_single() -> None:
    policy, problems = tls({"mode": "SIMPLE", "subjectAltNames": ["b", "a", "b"]})
    assert (policy, problems) == (UpstreamTls(Mode.SIMPLE, names=("a", "b")), [])


@pytest.mark.parametrize(
    ("block", "problems"),
    [
        ({"mode": "MUTUAL"}, ["clientCertificate tls.certificate-missing", "privateKey tls.certificate-missing"]),
        ({"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k"}, []),
        ({"mode": "MUTUAL", "credentialName": "x"}, []),
        ({"mode": "SIMPLE", "credentialName": "x", "caCertificates": "/a"}, ["caCertificates tls.field-excluded"]),
        ({"mode": "ISTIO_MUTUAL"}, []),
        ({"mode": "ISTIO_MUTUAL", "credentialName": "x"}, ["credentialName tls.field-excluded"]),
        ({"mode": "ISTIO_MUTUAL", "privateKey": "/k"}, ["privateKey tls.field-excluded"]),
        ({"mode": "DISABLE", "caCertificates": "/a"}, ["caCertificates tls.field-excluded"]),
        ({"mode": "SIMPLE", "insecureSkipVerify": True, "subjectAltNames": ["a"]},
         ["insecureSkipVerify tls.verify-none"]),
    ],
)  # fmt: skip
def test_which_fields_go_with_which_mode(block: Plain, problems: list[str]) -> None:
    assert tls(block)[1] == [f"tls.{each}" for each in problems]


def test_mutual_presents_files() -> None:
    policy = UpstreamTls(Mode.MUTUAL, certificate="/c.pem", private_key="/k.pem", revoked="/r.pem", sni="b")
    context = to_plain(envoy.cluster(policy))["transport_socket"]["typed_config"]["common_tls_context"]
    assert context["tls_certificates"] == [
        {"certificate_chain": {"filename": "/c.pem"}, "private_key": {"filename": "/k.pem"}}
    ]
    assert context["validation_context"]["crl"] == {"filename": "/r.pem"}


@pytest.mark.parametrize("mode", [Mode.DISABLE, Mode.MESH])
def test_plaintext_is_nothing(mode: Mode) -> None:
    assert to_plain(envoy.cluster(UpstreamTls(mode))) == {}
    assert to_plain(envoy.http_protocol_options(UpstreamTls(mode))) == {}
