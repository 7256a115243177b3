"""Faults of what runs: dead endpoints, overload, timeouts, applications that fail."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from ca.authority import Authority
from ca.issuer import self_signed
from tests.envoy.faults.clients import WEB, edge, grpc, http, tcp
from tests.envoy.faults.fault import Client, Fault, Seen
from tests.envoy.manifests import Manifest, destination_rule, pod, service_entry, subsets, to, virtual_service
from xds.testing.mesh import Mesh

_API: Final = ("explain", WEB, "http://api/")
_DAY: Final = timedelta(days=1)
_NO_SIDECAR: Final = {"sidecar.istio.io/inject": "false"}

# An application on a port where nobody asks.
_ELSEWHERE: Final = """
import socket
server = socket.create_server(("", 9999))
while True:
    server.accept()
"""
# An application that does the same to every request: waits, then answers with a status, or without one hangs up.
_ALIKE: Final = """
import http.server, json, ssl, sys, tempfile, time
how = json.loads(sys.argv[1])
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        time.sleep(how.get("wait_s", 0))
        if how.get("status"):
            self.send_response(how["status"])
            self.send_header("content-length", "0")
            self.end_headers()
        else:
            self.close_connection = True
server = http.server.ThreadingHTTPServer(("", 8080), Handler)
if "pem" in how:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(how["pem"])
        file.flush()
        context.load_cert_chain(file.name)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
"""


def _alike(name: str, *, account: str = "", annotations: dict[str, str] | None = None, **how: Any) -> Manifest:
    more: dict[str, Any] = {"account": account} if account else {}
    command = ["python3", "-c", _ALIKE, json.dumps(how)]
    return pod(name, command=command, annotations=annotations or {}, **more)


def _elsewhere(name: str, **more: Any) -> Manifest:
    # It counts as ready when the ports that it names are open.
    return pod(name, command=["python3", "-c", _ELSEWHERE], ports="other:9999", **more)


@contextlib.asynccontextmanager
async def _running(mesh: Mesh) -> AsyncIterator[None]:
    """Go on when what is broken runs: a pod that starts has another fault."""
    await mesh.settled()
    yield


def faults() -> tuple[Fault, ...]:
    """The faults, each for a healthy mesh."""
    return (*_applications(), *_behind_gateways(), *_limits(), *_connections())


def _applications() -> Sequence[Fault]:
    named = partial(Fault, client=http(), guilty="Pod shop/api-v2", said="lately", while_broken=_running)
    by_id = partial(named, asked=("explain", "--request-id", "{request_id}"))
    again = virtual_service(
        "api", {"route": [to("api", "v1", 50), to("api", "v2", 50)], "retries": {"attempts": 2, "retryOn": "5xx"}}
    )
    return (
        named(
            "an application that is not there", symptom="503", asked=_API, breaks=[_elsewhere("api-v2", account="api")]
        ),
        by_id("an application that answers 500", symptom="500", breaks=[_alike("api-v2", account="api", status=500)]),
        by_id("an application that hangs up", symptom="503", breaks=[_alike("api-v2", account="api")]),
        by_id(
            "an application that fails each time it is tried",
            symptom="503",
            breaks=[_alike("api-v2", account="api", status=503), again],
        ),
        named(
            "a slow application and an impatient caller",
            symptom="0 .*",
            asked=_API,
            breaks=[_alike("api-v2", account="api", wait_s=20, status=200)],
        ),
    )


def _behind_gateways() -> Sequence[Fault]:
    return (
        Fault(
            "an application behind a gateway that is not there",
            edge(),
            symptom="503",
            asked=("explain", "ingress/edge", "http://site.test/"),
            guilty="Pod shop/api-v1",
            said="lately",
            while_broken=_running,
            breaks=[_elsewhere("api-v1", account="api")],
        ),
    )


def _limits() -> Sequence[Fault]:
    route = {"route": [to("api", "v1", 50), to("api", "v2", 50)]}
    pools = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    many = {"trafficPolicy": {"connectionPool": {"tcp": {"maxConnections": 1000}}}}
    at_server = [{**each, **many} for each in subsets("v1", "v2")]  # callers call subsets, a server's proxy is in none
    sidecar = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Sidecar",
        "metadata": {"name": "api", "namespace": "shop"},
        "spec": {"workloadSelector": {"labels": {"app": "api"}}, "inboundConnectionPool": pools},
    }
    limited = {
        "apiVersion": "networking.plait.dev/v1alpha1",
        "kind": "RateLimit",
        "metadata": {"name": "few", "namespace": "shop"},
        "spec": {
            "selector": {"matchLabels": {"app": "api"}},
            "limits": [{"name": "all", "requests": 1, "period": "1h"}],
        },
    }
    return (
        Fault(
            "a timeout of the route",
            http("http://api/?delay=1s"),
            symptom="504",
            asked=("explain", "--request-id", "{request_id}"),
            guilty="VirtualService shop/api",
            said="lately",
            breaks=[virtual_service("api", {**route, "timeout": "0.2s"})],
        ),
        Fault(
            "a timeout of each try",
            http("http://api/?delay=1s"),
            symptom="504",
            asked=_API,
            guilty="VirtualService shop/api",
            said="lately",
            breaks=[virtual_service("api", {**route, "retries": {"attempts": 2, "perTryTimeout": "200ms"}})],
        ),
        Fault(
            "more requests at once than a circuit breaker lets through",
            _together("http://api/?delay=300ms", 12),
            symptom="503",
            asked=_API,
            guilty="DestinationRule shop/api",
            said="lately",
            while_broken=_running,
            breaks=[destination_rule("api", subsets=subsets("v1", "v2"), trafficPolicy={"connectionPool": pools})],
        ),
        Fault(
            "more requests at once than the server's proxy lets through",
            _together("http://api/?delay=300ms", 12),
            symptom="503",
            asked=_API,
            guilty="DestinationRule shop/api",
            said="lately",
            while_broken=_running,
            breaks=[destination_rule("api", subsets=at_server, trafficPolicy={"connectionPool": pools})],
        ),
        Fault(
            "more requests at once than a Sidecar lets through",
            _together("http://api/?delay=300ms", 12),
            symptom="503",
            asked=_API,
            guilty="Sidecar shop/api",
            said="lately",
            breaks=[sidecar],
        ),
        Fault(
            "more requests than a rate limit lets through",
            http(),
            symptom="429",
            asked=("explain", "--request-id", "{request_id}"),
            guilty="RateLimit shop/few",
            said="lately",
            breaks=[limited],
        ),
        Fault(
            "more connections than a circuit breaker lets through",
            _connections_together("db", 9000, 4),
            symptom="0 .*",
            asked=("explain", WEB, "db:9000"),
            guilty="DestinationRule shop/db",
            said="lately",
            while_broken=_running,
            breaks=[destination_rule("db", trafficPolicy={"connectionPool": {"tcp": {"maxConnections": 1}}})],
        ),
    )


def _connections() -> Sequence[Fault]:
    old = ("explain", WEB, "http://old/")
    # By another name than its own, which the local mesh itself would resolve.
    beyond = service_entry(
        "gone",
        hosts=["gone.test"],
        ports=[{"number": 80, "name": "http", "protocol": "HTTP"}],
        resolution="DNS",
        endpoints=[{"address": "nowhere.invalid"}],
    )
    return (
        Fault(
            "an endpoint without a sidecar that is not there",
            http("http://old/"),
            symptom="503",
            asked=old,
            guilty="Pod shop/old",
            said="lately",
            while_broken=_running,
            breaks=[_elsewhere("old", annotations=_NO_SIDECAR)],
        ),
        Fault(
            "a TCP server that does not listen",
            tcp(),
            symptom="0 .*",
            asked=("explain", WEB, "db:9000"),
            guilty="Pod shop/db",
            said="lately",
            while_broken=_running,
            breaks=[_elsewhere("db")],
        ),
        Fault(
            "a gRPC server that does not listen",
            grpc(),
            symptom="UNAVAILABLE.*",
            asked=("explain", WEB, "pay:7070"),
            guilty="Pod shop/pay",
            said="lately",
            while_broken=_running,
            breaks=[_elsewhere("pay")],
        ),
        Fault(
            "a server whose certificate has ended",
            http("http://old/"),
            symptom="503",
            asked=old,
            guilty="Pod shop/old",
            said="lately",
            while_broken=_running,
            breaks=_ended,
        ),
        Fault(
            "a name that does not resolve",
            http(),
            symptom="503",
            asked=_API,
            guilty="ServiceEntry shop/gone",
            said="lately",
            while_broken=_running,
            breaks=[beyond, virtual_service("api", {"route": [to("gone.test")]})],
        ),
    )


def _ended() -> Sequence[Manifest]:
    """``old`` with TLS and a certificate that ended yesterday, and callers who speak TLS to it."""
    now = datetime.now(UTC)
    authority = Authority(self_signed(now - 30 * _DAY), "example.com")
    served = authority.issue_server(["old.test"], 9 * _DAY, now - 10 * _DAY)
    pem = served.certificate_chain.decode() + served.private_key.decode()
    tls = {"mode": "SIMPLE", "sni": "old.test", "subjectAltNames": ["old.test"], "credentialName": "old-ca"}
    selector = {"matchLabels": {"app": "web"}}
    return [
        _alike("old", annotations=_NO_SIDECAR, status=200, pem=pem),
        destination_rule("old", trafficPolicy={"tls": tls}, workloadSelector=selector),
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "old-ca", "namespace": "shop"},
            "stringData": {"ca.crt": authority.roots.pem.decode()},
        },
    ]


def _together(url: str, count: int) -> Client:
    """So many requests at once; sees the worst of the answers."""

    async def ask(mesh: Mesh) -> Seen:
        answers = await mesh.requests(WEB, url, count, concurrency=count)
        worst = max(answers, key=lambda each: each.status or 999)
        return Seen(f"{worst.status} {worst.pod if worst.status == 200 else ''}".strip())

    return ask


def _connections_together(host: str, port: int, count: int) -> Client:
    """So many connections at once, of which each says a line; sees the worst of the replies."""

    async def ask(mesh: Mesh) -> Seen:
        replies = await mesh.tcp(WEB, host, port, ["hello"], count=count, greetings=0)
        failed = [each for each in replies if not each.messages]
        return Seen(f"0 {failed[0].error or 'closed'}" if failed else f"200 {replies[0].echo['pod']}")

    return ask
