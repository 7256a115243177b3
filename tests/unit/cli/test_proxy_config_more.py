"""``plait proxy-config``: HTTP/3 beside TCP, hosts that are for https only, bootstraps, loggers."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca.issuer import Issuer, self_signed
from xds.cli.failure import Failure
from xds.cli.proxy_config.bootstrap import bootstrap
from xds.cli.proxy_config.dump import Entry, ProxyConfig
from xds.cli.proxy_config.listeners import ListenerFilter, listeners
from xds.cli.proxy_config.log import paths
from xds.cli.proxy_config.rootca_compare import roots
from xds.cli.proxy_config.routes import RouteFilter, routes


def test_http3_is_told_from_tcp() -> None:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": 8443}}
    chain = {"filter_chain_match": {"server_names": ["a.test"]}, "filters": []}
    tcp = {"name": "0.0.0.0_8443", "address": address, "filter_chains": [chain]}
    quic = {**tcp, "name": "udp_0.0.0.0_8443", "udp_listener_config": {"quic_options": {}}}
    config = ProxyConfig(listeners=tuple(Entry(str(each["name"]), each) for each in (tcp, quic)))
    found = [line.cells["match"] for line in listeners(config, ListenerFilter()).lines]
    assert found == ["SNI: a.test", "Trans: quic; SNI: a.test"]


def test_hosts_for_https_only() -> None:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}}
    host = {"name": "a:80", "domains": ["a"], "routes": [route], "require_tls": "ALL"}
    plain = {**host, "require_tls": "NONE"}
    table = {"name": "80", "virtual_hosts": [host, plain]}
    found = [
        line.cells["destination"] for line in routes(ProxyConfig(routes=(Entry("80", table),)), RouteFilter()).lines
    ]
    assert found == ["redirect https", "c", "c"]


def test_a_bootstrap_shows_nothing_secret() -> None:
    made = {
        "node": {"id": "a"},
        "tls": {"private_key": {"inline_string": "SECRET"}, "certificate_chain": {"filename": "/c"}},
        "file": {"private_key": {"filename": "/k"}},
        "metadata": [{"key": "Authorization", "value": "Bearer SECRET"}, {"key": "x", "value": "kept"}],
        "ticket": {"session_ticket_keys": {"keys": ["SECRET"]}},
    }
    dump = {"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": made}]}
    text = json.dumps(bootstrap(dump))
    assert "SECRET" not in text
    assert all(word in text for word in ("/c", "/k", "kept"))
    with pytest.raises(Failure):
        bootstrap({"configs": []})


def test_levels_as_istioctl_takes_them() -> None:
    assert list(paths("")) == []
    assert list(paths("debug")) == [("", "debug")]
    assert list(paths("http:warn,upstream:none")) == [("http", "warning"), ("upstream", "off")]
    with pytest.raises(Failure, match="must be one of trace"):
        list(paths("http:loud"))


def test_roots_that_two_proxies_believe() -> None:
    def believing(*issuers: Issuer) -> ProxyConfig:
        bundle = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in issuers)
        source = {"inline_bytes": base64.b64encode(bundle).decode()}
        return ProxyConfig(secrets=(Entry("ROOTCA", {"validation_context": {"trusted_ca": source}}),))

    old, new = (self_signed(datetime.now(UTC)) for _ in range(2))
    both, one = roots(believing(old, new), "a"), roots(believing(new), "b")
    assert (len(both), both & one) == (2, one)
    with pytest.raises(Failure, match="a has been sent no roots"):
        roots(ProxyConfig(), "a")
