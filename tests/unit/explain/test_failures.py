"""Which field of which object decided, by what a proxy said of a failed call."""

from __future__ import annotations

from typing import Any

import pytest

from tests.objects import applied, written
from xds.decoders.build import Builder
from xds.explain.failures.causes import Cause, cause
from xds.explain.failures.known import Asked, known_of
from xds.failed.call import FailedCall
from xds.model.snapshot import Table
from xds.view.graph import Graph, call

MESH = """
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: app, image: x}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: api-1, namespace: shop, labels: {app: api}}
spec: {containers: [{name: app, image: x}]}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: gone, namespace: shop}
spec: {hosts: [gone.test], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api, namespace: shop}
spec:
  hosts: [api]
  http:
  - match: [{uri: {prefix: /tries}}]
    route: [{destination: {host: api, subset: v1}}]
    retries: {attempts: 2, perTryTimeout: 200ms}
  - route: [{destination: {host: api, subset: v1}}]
    timeout: 0.5s
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api, namespace: shop}
spec:
  host: api
  trafficPolicy:
    outlierDetection: {consecutive5xxErrors: 1}
    tls: {mode: SIMPLE, sni: api.test}
    portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 7}}, tls: {mode: SIMPLE}}]
  subsets:
  - name: v0
  - name: v1
    trafficPolicy: {connectionPool: {http: {http1MaxPendingRequests: 3}}}
---
apiVersion: networking.plait.dev/v1alpha1
kind: RateLimit
metadata: {name: few, namespace: shop}
spec: {selector: {matchLabels: {app: api}}, limits: [{name: all, requests: 1, period: 1h}]}
"""
V1 = "outbound|80|v1|api.shop.svc.cluster.local"
POD = "10.0.0.2:8080 (Pod shop/api-1)"


@pytest.fixture(scope="module")
def graph() -> Graph:
    builder = Builder()
    applied(builder, written(MESH))
    return Graph(builder.snapshot)


def why(graph: Graph, pod: str = "web", *flags: str, inbound: bool = False, **said: Any) -> tuple[str, list[str]]:
    """The words, and the fields that are guilty."""
    usual = {"method": "GET", "host": "api", "path": "/", "dialled": "10.96.0.2:80"}
    one = FailedCall(when="", flags=flags, **{**usual, **said})
    (workload,) = graph.snapshot.rows(Table.WORKLOAD, ("shop", pod))
    found: Cause = cause(one, graph.get(call(known_of, Asked(workload, one, inbound))), inbound=inbound)
    return found.says, [str(at) for at in found.guilty]


def out(graph: Graph, *flags: str, **said: Any) -> tuple[str, list[str]]:
    """The same of a call that web made of api's only pod."""
    return why(graph, "web", *flags, **{"cluster": V1, "upstream": "10.0.0.2:8080", **said})


def test_a_timeout_of_the_route(graph: Graph) -> None:
    says, guilty = out(graph, "UT", status=504, details="response_timeout")
    assert says == f"its route has a timeout of 0.5s, and {POD} took longer"
    assert guilty == ["VirtualService shop/api spec.http[1].timeout", "Pod shop/api-1"]


def test_a_timeout_of_each_try(graph: Graph) -> None:
    says, guilty = out(graph, "UT", "URX", path="/tries", details="upstream_per_try_timeout", attempts=3)
    assert says == f"no answer within perTryTimeout of 0.2s, 3 times, from {POD}"
    assert guilty == ["VirtualService shop/api spec.http[0].retries.perTryTimeout", "Pod shop/api-1"]


def test_a_timeout_in_a_header(graph: Graph) -> None:
    says, guilty = out(graph, "UT", path="/tries", details="response_timeout")
    assert "in a header of the request" in says
    assert guilty == ["Pod shop/api-1"]


def test_overflow_names_the_limits_that_are_stated_where_they_hold(graph: Graph) -> None:
    # No host was chosen: the entry has no cluster.
    says, guilty = why(graph, "web", "UO", details="upstream_reset_before_response_started{overflow}")
    assert "http1MaxPendingRequests 3" in says
    field = "spec.subsets[1].trafficPolicy.connectionPool.http.http1MaxPendingRequests"
    assert guilty == [f"DestinationRule shop/api {field}"]


def test_overflow_of_the_settings_of_a_port(graph: Graph) -> None:
    cluster = "outbound|80||api.shop.svc.cluster.local"
    says, guilty = out(graph, "UO", method="", host="", path="", cluster=cluster)
    assert says.endswith("connectionPool has maxConnections 7")
    assert guilty == [
        "DestinationRule shop/api spec.trafficPolicy.portLevelSettings[0].connectionPool.tcp.maxConnections"
    ]


def test_overflow_at_the_server_is_of_the_rule_of_its_service(graph: Graph) -> None:
    says, guilty = why(graph, "api-1", "UO", inbound=True, dialled="10.0.0.2:8080")
    assert says == "its proxy lets no more through to the application: connectionPool has maxConnections 7"
    field = "spec.trafficPolicy.portLevelSettings[0].connectionPool.tcp.maxConnections"
    assert guilty == [f"DestinationRule shop/api {field}"]


def test_overflow_at_the_server_is_of_the_rule_where_the_target_of_its_port_is_a_name() -> None:
    text = MESH.replace("targetPort: 8080", "targetPort: web")
    text = text.replace(
        "metadata: {name: api-1, namespace: shop, labels: {app: api}}\nspec: {containers: [{name: app, image: x}]}",
        "metadata: {name: api-1, namespace: shop, labels: {app: api}}\n"
        "spec: {containers: [{name: app, image: x, ports: [{name: web, containerPort: 8080}]}]}",
    )
    builder = Builder()
    applied(builder, written(text))
    says, guilty = why(Graph(builder.snapshot), "api-1", "UO", inbound=True, dialled="10.0.0.2:8080")
    assert says.endswith("connectionPool has maxConnections 7")
    field = "spec.trafficPolicy.portLevelSettings[0].connectionPool.tcp.maxConnections"
    assert guilty == [f"DestinationRule shop/api {field}"]


def test_overflow_at_the_server_is_of_its_sidecar() -> None:
    pool = "{http: {http1MaxPendingRequests: 2}}"
    stated = f"metadata: {{name: own, namespace: shop}}\nspec: {{inboundConnectionPool: {pool}}}\n"
    builder = Builder()
    applied(builder, written(f"{MESH}---\napiVersion: networking.istio.io/v1\nkind: Sidecar\n{stated}"))
    says, guilty = why(Graph(builder.snapshot), "api-1", "UO", inbound=True, dialled="10.0.0.2:8080")
    assert says.endswith("connectionPool has http1MaxPendingRequests 2")
    assert guilty == ["Sidecar shop/own spec.inboundConnectionPool.http.http1MaxPendingRequests"]


REFUSED = "delayed connect error: Connection refused"
EXPIRED = (
    "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: "
    "X509_verify_cert: certificate verification error at depth 0: certificate has expired:TLS_error_end"
)
PLAIN = "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"


def test_a_connection_that_nobody_takes(graph: Graph) -> None:
    says, guilty = out(graph, "UF", "URX", transport=REFUSED, attempts=3)
    assert (says, guilty) == (f"{REFUSED} at {POD}, 3 times", ["Pod shop/api-1"])


def test_an_application_that_is_not_there(graph: Graph) -> None:
    said = {"transport": REFUSED, "cluster": "inbound|8080||", "upstream": "10.0.0.2:8080"}
    says, guilty = why(graph, "api-1", "UF", inbound=True, **said)
    assert (says, guilty) == (f"{REFUSED} at {POD}", ["Pod shop/api-1"])


def test_an_address_that_is_of_nobody_is_the_services(graph: Graph) -> None:
    says, guilty = out(graph, "UF", transport=REFUSED, upstream="10.0.0.77:8080")
    assert (says, guilty) == (f"{REFUSED} at 10.0.0.77:8080", ["Service shop/api"])


def test_who_had_the_address_then_is_known(graph: Graph) -> None:
    says, guilty = out(graph, "UF", transport=REFUSED, upstream="10.0.0.77:8080", upstream_pod="shop/api-0")
    assert (says, guilty) == (f"{REFUSED} at 10.0.0.77:8080 (Pod shop/api-0)", ["Pod shop/api-0"])


@pytest.mark.parametrize(
    "transport, words, first",
    [
        (EXPIRED, "CERTIFICATE_VERIFY_FAILED:verify cert failed: certificate verification error", "Pod shop/api-1"),
        (EXPIRED, "certificate has expired", "Pod shop/api-1"),
        (PLAIN, "it speaks no TLS", "DestinationRule shop/api spec.trafficPolicy.portLevelSettings[0].tls.mode"),
    ],
)
def test_tls(graph: Graph, transport: str, words: str, first: str) -> None:
    cluster = "outbound|80||api.shop.svc.cluster.local"
    says, guilty = out(graph, "UF", "URX", transport=transport, cluster=cluster)
    assert words in says
    assert "TLS_error" not in says
    assert guilty[0] == first


def test_a_name_that_is_not_resolved(graph: Graph) -> None:
    said = {"host": "gone.test", "cluster": "outbound|80||gone.test", "dialled": "240.0.0.1:80", "upstream": ""}
    says, guilty = out(graph, "UH", status=503, details="no_healthy_upstream", **said)
    assert (says, guilty) == (
        "the name gone.test is not resolved: DNS knows no address of it",
        ["ServiceEntry shop/gone"],
    )


def test_a_rate_limit(graph: Graph) -> None:
    says, guilty = why(graph, "api-1", "RL", inbound=True, status=429, details="local_rate_limited")
    assert guilty == ["RateLimit shop/few"]
    assert "rate limit" in says


@pytest.mark.parametrize(
    "flags, details, words",
    [
        ((), "via_upstream", f"{POD} answers so itself"),
        (("URX",), "via_upstream", f"{POD} answers so itself, 3 times"),
        (
            ("UC",),
            "upstream_reset_before_response_started{connection_termination}",
            f"{POD} ended the connection before",
        ),
        (
            ("UPE",),
            "upstream_reset_before_response_started{protocol_error}",
            f"{POD} did not keep to its protocol before",
        ),
        (("DC",), "downstream_remote_disconnect", "the caller hung up after 70 ms; "),
        ((), "something_new", "something new"),
    ],
)
def test_what_the_called_do(graph: Graph, flags: tuple[str, ...], details: str, words: str) -> None:
    says, guilty = out(graph, *flags, details=details, attempts=3 if flags == ("URX",) else 1, duration_ms=70)
    assert says.startswith(words)
    assert guilty == ["Pod shop/api-1"]
