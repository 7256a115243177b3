"""``plait proxy-config``: Envoy's dump and what was sent, as tables and as resources."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from xds.cli.plait import app
from xds.cli.proxy_config.clusters import ClusterFilter, clusters
from xds.cli.proxy_config.dump import ProxyConfig, from_control_plane, from_envoy, with_provenance
from xds.cli.proxy_config.endpoints import EndpointFilter, endpoints
from xds.cli.proxy_config.extensions import extensions
from xds.cli.proxy_config.listeners import ListenerFilter, listeners
from xds.cli.proxy_config.routes import RouteFilter, routes
from xds.cli.proxy_config.secrets import secrets
from xds.cli.proxy_config.view import View

TYPE = "type.googleapis.com/"
ADMIN = TYPE + "envoy.admin.v3."
MANAGER = TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
PROXY = TYPE + "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"
ROUTER = TYPE + "envoy.extensions.filters.http.router.v3.Router"
REVIEWS = "outbound|80|v1|reviews.shop.svc.cluster.local"


def _listener(name: str, port: int, *chains: dict[str, Any], default: dict[str, Any] | None = None) -> dict[str, Any]:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
    listener = {"name": name, "address": address, "filter_chains": list(chains)}
    return listener | ({"default_filter_chain": default} if default else {})


def _chain(filter_type: str, config: dict[str, Any], **match: Any) -> dict[str, Any]:
    return {"filter_chain_match": match, "filters": [{"typed_config": {"@type": filter_type, **config}}]}


ROUTES: dict[str, Any] = {
    "name": "80",
    "virtual_hosts": [
        {
            "name": "reviews.shop.svc.cluster.local:80",
            "domains": ["reviews", "reviews.shop", "reviews.shop.svc"],
            "routes": [
                {
                    "match": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "PUT"}}]},
                    "route": {"cluster": REVIEWS},
                    "metadata": {
                        "filter_metadata": {
                            "istio": {"config": "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews"}
                        }
                    },
                },
                {
                    "match": {"path": "/exact"},
                    "route": {
                        "weighted_clusters": {"clusters": [{"name": "a", "weight": 90}, {"name": "b", "weight": 10}]}
                    },
                },
            ],
        }
    ],
}
DUMP: dict[str, Any] = {
    "configs": [
        {"@type": ADMIN + "BootstrapConfigDump"},
        {
            "@type": ADMIN + "ClustersConfigDump",
            "static_clusters": [{"cluster": {"name": "xds-grpc", "type": "STATIC"}}],
            "dynamic_active_clusters": [{"version_info": "v1", "cluster": {"name": REVIEWS, "type": "EDS"}}],
            "dynamic_warming_clusters": [{"cluster": {"name": "inbound|8080||", "type": "ORIGINAL_DST"}}],
        },
        {
            "@type": ADMIN + "ListenersConfigDump",
            "dynamic_listeners": [
                {
                    "name": "0.0.0.0_80",
                    "active_state": {
                        "version_info": "v2",
                        "listener": _listener(
                            "0.0.0.0_80",
                            80,
                            _chain(
                                MANAGER,
                                {"rds": {"route_config_name": "80"}},
                                transport_protocol="raw_buffer",
                                application_protocols=["http/1.1", "h2c"],
                            ),
                            default=_chain(PROXY, {"cluster": "PassthroughCluster"}),
                        ),
                    },
                },
                {"name": "broken", "error_state": {"details": "no"}},
            ],
        },
        {"@type": ADMIN + "RoutesConfigDump", "dynamic_route_configs": [{"route_config": ROUTES}]},
        {
            "@type": ADMIN + "EcdsConfigDump",
            "ecds_filters": [{"ecds_filter": {"name": "rbac/shop", "typed_config": {"@type": ROUTER}}}],
        },
        {
            "@type": ADMIN + "EcdsConfigDump",
            "ecds_filters": [{"ecds_filter": {"name": "jwt/shop", "typed_config": {"@type": ROUTER}}}],
        },
    ]
}
HOSTS: dict[str, Any] = {
    "cluster_statuses": [
        {
            "name": REVIEWS,
            "host_statuses": [
                {
                    "address": {"socket_address": {"address": "10.0.0.2", "port_value": 8080}},
                    "health_status": {"eds_health_status": "HEALTHY", "failed_outlier_check": True},
                },
                {
                    "address": {"socket_address": {"address": "fd00::1", "port_value": 8080}},
                    "health_status": {"eds_health_status": "UNHEALTHY"},
                },
            ],
        },
        {
            "name": "xds-grpc",
            "host_statuses": [
                {"address": {"pipe": {"path": "/run/x"}}, "health_status": {"eds_health_status": "HEALTHY"}}
            ],
        },
    ]
}
CONFIG = from_envoy(DUMP, HOSTS)


def cells(view: View) -> list[list[Any]]:
    return [[line.cells.get(key) for key in view.columns.values()] for line in view.lines]


def test_clusters() -> None:
    assert cells(clusters(CONFIG, ClusterFilter())) == [
        ["", "8080", "", "inbound", "ORIGINAL_DST", []],
        ["reviews.shop.svc.cluster.local", "80", "v1", "outbound", "EDS", []],
        ["xds-grpc", "", "", "", "STATIC", []],
    ]


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (ClusterFilter(fqdn="REVIEWS.shop"), [REVIEWS]),
        (ClusterFilter(port=8080), ["inbound|8080||"]),
        (ClusterFilter(subset="v1"), [REVIEWS]),
        (ClusterFilter(direction="Inbound"), ["inbound|8080||"]),
        (ClusterFilter(port=1), []),
    ],
)
def test_filters_of_clusters(wanted: ClusterFilter, names: list[str]) -> None:
    assert [resource["name"] for resource in clusters(CONFIG, wanted).resources()] == names


def test_listeners_have_a_line_a_chain() -> None:
    view = listeners(CONFIG, ListenerFilter())
    assert cells(view) == [
        [["0.0.0.0"], 80, "Trans: raw_buffer; App: http/1.1,h2c", "Route: 80"],
        [["0.0.0.0"], 80, "ALL", "Cluster: PassthroughCluster"],
    ]
    assert len(view.resources()) == 1
    assert listeners(CONFIG, ListenerFilter(type="http+tcp", port=80, address="0.0.0.0")).lines
    for nothing in (ListenerFilter(type="tcp"), ListenerFilter(port=81), ListenerFilter(address="::")):
        assert not listeners(CONFIG, nothing).lines


def test_what_comes_apart_from_its_listener_has_a_name_and_a_kind() -> None:
    apart = {"name": "outbound|5432||db", "config_discovery": {"type_urls": ["type.googleapis.com/x.v3.TcpProxy"]}}
    listener = _listener("10.0.0.1_5432", 5432, {"filters": [apart]})
    own = {"name": "10.0.0.1_5432", "active_state": {"listener": listener}}
    config = from_envoy({"configs": [{"@type": ADMIN + "ListenersConfigDump", "dynamic_listeners": [own]}]}, {})
    view = listeners(config, ListenerFilter(type="tcp"))
    assert [line.cells["destination"] for line in view.lines] == ["ECDS: outbound|5432||db"]


def test_routes() -> None:
    view = routes(CONFIG, RouteFilter())
    host, domains = "reviews.shop.svc.cluster.local:80", "reviews, reviews.shop + 1 more..."
    assert cells(view) == [
        ["80", host, domains, "/* method=PUT", REVIEWS, ["reviews.shop"]],
        ["80", host, domains, "/exact", "a 90, b 10", []],
    ]
    assert not routes(CONFIG, RouteFilter(name="81")).lines


def test_endpoints_have_the_health_that_envoy_sees() -> None:
    assert cells(endpoints(CONFIG, EndpointFilter())) == [
        ["10.0.0.2:8080", "HEALTHY", "FAILED", REVIEWS],
        ["[fd00::1]:8080", "UNHEALTHY", "OK", REVIEWS],
        ["unix:/run/x", "HEALTHY", "OK", "xds-grpc"],
    ]
    assert len(endpoints(CONFIG, EndpointFilter(cluster=REVIEWS, status="healthy", port=8080)).lines) == 1
    assert len(endpoints(CONFIG, EndpointFilter(address="10.0.0.2")).lines) == 1


def test_extensions_of_all_kinds_of_filters() -> None:
    assert [row[0] for row in cells(extensions(CONFIG))] == ["jwt/shop", "rbac/shop"]


def test_what_was_sent_has_virtual_hosts_in_their_routes_and_provenance() -> None:
    rule = [{"object": "DestinationRule shop/reviews"}]
    sent = from_control_plane(
        [
            {"type": "cds", "name": REVIEWS, "resource": {"name": REVIEWS, "type": "EDS"}, "provenance": rule},
            {"type": "rds", "name": "80", "resource": {"name": "80"}, "provenance": []},
            {"type": "vhds", "name": "80/reviews", "resource": ROUTES["virtual_hosts"][0], "provenance": []},
            {
                "type": "eds",
                "name": REVIEWS,
                "resource": {
                    "cluster_name": REVIEWS,
                    "endpoints": [
                        {
                            "lb_endpoints": [
                                {"endpoint": {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 1}}}}
                            ]
                        }
                    ],
                },
                "provenance": [],
            },
        ]
    )
    assert [row[-1] for row in cells(clusters(sent, ClusterFilter()))] == [["reviews.shop"]]
    assert [row[3] for row in cells(routes(sent, RouteFilter()))] == ["/* method=PUT", "/exact"]
    assert cells(endpoints(sent, EndpointFilter())) == [["10.0.0.2:1", "HEALTHY", "", REVIEWS]]
    joined = with_provenance(CONFIG, sent)
    assert [row[-1] for row in cells(clusters(joined, ClusterFilter(subset="v1")))] == [["reviews.shop"]]
    assert joined.hosts is CONFIG.hosts


def _certificate(until: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(255).not_valid_before(until - timedelta(days=1)).not_valid_after(until)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return base64.b64encode(pem).decode()


def test_secrets_show_certificates_and_never_keys() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    certificate = {
        "certificate_chain": {"inline_bytes": _certificate(now + timedelta(hours=1))},
        "private_key": {"inline_bytes": "c2VjcmV0"},
    }
    authority = {"trusted_ca": {"inline_bytes": _certificate(now - timedelta(hours=1))}}
    items = [
        {"name": "default", "secret": {"name": "default", "tls_certificate": certificate}},
        {"name": "ROOTCA", "secret": {"name": "ROOTCA", "validation_context": authority}},
        {"name": "file", "secret": {"name": "file", "validation_context": {"trusted_ca": {"filename": "/x"}}}},
    ]
    part = {"@type": ADMIN + "SecretsConfigDump", "dynamic_active_secrets": items}
    view = secrets(from_envoy({"configs": [part]}, {}), now)
    assert cells(view) == [
        ["ROOTCA", "CA", "ACTIVE", "false", "ff", "2026-11-20T23:00:00Z", "2026-11-19T23:00:00Z"],
        ["default", "Cert Chain", "ACTIVE", "true", "ff", "2026-11-21T01:00:00Z", "2026-11-20T01:00:00Z"],
        ["file", "CA", "ACTIVE", None, None, None, None],
    ]
    assert "c2VjcmV0" not in json.dumps(view.resources())


def test_an_empty_dump_gives_empty_tables() -> None:
    assert from_envoy({}, {}) == ProxyConfig()


def test_a_dump_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_text(json.dumps(DUMP))

    def shown(*arguments: str) -> str:
        result = CliRunner().invoke(app(), ["pc", *arguments, "-f", str(file)])
        assert result.exit_code == 0, result.output
        return result.stdout

    table = shown("c", "--subset", "v1").splitlines()
    assert table[0].split() == ["SERVICE", "FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION", "RULE"]
    assert table[1].split() == ["reviews.shop.svc.cluster.local", "80", "v1", "outbound", "EDS", "-"]
    assert json.loads(shown("route", "-o", "json")) == [ROUTES]
    assert set(json.loads(shown("all", "-o", "json"))) == {
        "clusters",
        "listeners",
        "routes",
        "endpoints",
        "secrets",
        "ecds",
    }
    assert "VHOST NAME" in shown("all")


@pytest.mark.parametrize("content", ["", "[]", "nonsense"])
def test_a_file_that_is_no_dump(tmp_path: Path, content: str) -> None:
    file = tmp_path / "dump.json"
    file.write_text(content)
    result = CliRunner().invoke(app(), ["proxy-config", "all", "-f", str(file)])
    assert result.exit_code == 2
    assert str(file) in result.stderr
