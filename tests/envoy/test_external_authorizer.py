"""CUSTOM and AUDIT policies in a real Envoy: what is asked of an authorizer, what it decides, and when it is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import backend, http_server, until
from tests.unit.translators.authorization_policies import build, policy, translated
from xds.wire.codec import to_plain

pytestmark = pytest.mark.envoy

Plain = dict[str, Any]
OF = "type.googleapis.com/envoy.extensions"
HOST = "opa.auth.svc.cluster.local"
ADMIN = [{"to": [{"operation": {"paths": ["/admin/{*}"]}}]}]
OK, REFUSED = b"", b"\x0a\x02\x08\x07"  # CheckResponse without a status, and with PERMISSION_DENIED


def mesh(kind: str, **fields: Any) -> Plain:
    provider = {"name": "opa", kind: {"service": HOST, "port": 8000, "timeout": "5s", **fields}}
    metadata = {"name": "default", "namespace": "istio-system"}
    spec = {"extensionProviders": [provider]}
    return {"apiVersion": "mesh.istio.io/v1alpha1", "kind": "MeshConfig", "metadata": metadata, "spec": spec}


def custom(rules: list[Plain], provider: str = "opa", name: str = "ask") -> Plain:
    return policy({"action": "CUSTOM", "provider": {"name": provider}, "rules": rules}, name)


def listeners(*manifests: Plain, logged: str = "") -> list[Plain]:
    """A listener ``http`` that answers 200 itself, and ``tcp`` that passes connections on, each behind the slots."""
    graph, problems = build(*manifests)
    assert problems == []
    slots = translated(graph)
    http, tcp = ([to_plain(each) for (_, is_tcp), each in slots.items() if is_tcp is kind] for kind in (False, True))
    served = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "served"}}}
    manager = {
        "@type": f"{OF}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"name": "r", "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [served]}]},
        "http_filters": [*http, {"name": "router", "typed_config": {"@type": f"{OF}.filters.http.router.v3.Router"}}],
    }
    proxy: Plain = {"@type": f"{OF}.filters.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "tcp", "cluster": "app"}
    if logged:
        text = {"inline_string": "%DYNAMIC_METADATA(envoy.filters.network.rbac)%\n"}
        log = {"@type": f"{OF}.access_loggers.file.v3.FileAccessLog", "path": logged}
        proxy["access_log"] = [{"name": "log", "typed_config": {**log, "log_format": {"text_format_source": text}}}]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    chains = {
        "http": [{"name": "http", "typed_config": manager}],
        "tcp": [*tcp, {"name": "tcp", "typed_config": proxy}],
    }
    return [
        {"name": name, "address": address, "filter_chains": [{"filters": filters}]} for name, filters in chains.items()
    ]


def bootstrap(found: list[Plain], authorizer: int, app: int) -> Plain:
    def cluster(name: str, port: int, **fields: Any) -> Plain:
        address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
        endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
        assignment = {"cluster_name": name, "endpoints": endpoints}
        return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment, **fields}

    options = f"{OF}.upstreams.http.v3.HttpProtocolOptions"
    http2 = {"@type": options, "explicit_http_config": {"http2_protocol_options": {}}}
    protocol = {options.rpartition("/")[2]: http2}
    name = f"outbound|8000||{HOST}"
    h2 = any("envoy_grpc" in str(each) for each in found)
    clusters = [cluster(name, authorizer, **({"typed_extension_protocol_options": protocol} if h2 else {}))]
    return {
        "node": {"id": "test", "cluster": "test"},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"listeners": found, "clusters": [*clusters, cluster("app", app)]},
    }


def http_authorizer(asked: list[str]) -> contextlib.AbstractAsyncContextManager[int]:
    """An authorizer that lets in who sends ``x-user: joe``; notes what it is asked."""

    def answered(head: str) -> str:
        asked.append(head.lower())
        status = "200 OK" if "x-user: joe" in head.lower() else "403 Forbidden"
        return f"HTTP/1.1 {status}\r\nx-reason: a\r\nx-other: b\r\ncontent-length: 2\r\n\r\nno"

    return http_server(answered)


@contextlib.asynccontextmanager
async def grpc_authorizer(answer: Callable[[], bytes]) -> AsyncIterator[int]:
    """An authorizer over gRPC."""

    async def check(_request: bytes, _context: Any) -> bytes:
        return answer()

    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(check)
    server = grpc.aio.server()
    handlers = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", {"Check": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def over_tcp(port: int) -> bytes:
    """What an HTTP server behind the TCP listener answers; nothing when the connection is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        return await asyncio.wait_for(reader.read(200), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_an_authorizer_over_http_is_asked_about_what_matches(launch_envoy: Launch) -> None:
    asked: list[str] = []
    fields = {
        "pathPrefix": "/check",
        "includeRequestHeadersInCheck": ["x-user"],
        "includeAdditionalHeadersInCheck": {"x-from": "mesh"},
        "headersToDownstreamOnDeny": ["x-reason"],
    }
    found = listeners(mesh("envoyExtAuthzHttp", **fields), custom(ADMIN))
    async with backend("app") as app, http_authorizer(asked) as authorizer:
        envoy = await launch_envoy(bootstrap(found, authorizer, app))
        base = f"http://127.0.0.1:{await envoy.port('http')}"
        assert (await envoy.client.get(f"{base}/other?a=/admin/b")).status_code == 200
        assert asked == []
        refused = await envoy.client.get(f"{base}/admin/a?b=c", headers={"x-secret": "s"})
        assert (refused.status_code, refused.headers.get("x-reason"), "x-other" in refused.headers) == (403, "a", False)
        assert asked[0].startswith("get /check/admin/a?b=c ")
        assert "x-from: mesh" in asked[0]
        assert "x-secret" not in asked[0]
        assert (await envoy.client.get(f"{base}/admin/a", headers={"x-user": "joe"})).text == "served"
        assert (await over_tcp(await envoy.port("tcp"))).endswith(b"app"), "an HTTP authorizer has no say on TCP"


@pytest.mark.parametrize(("fail_open", "status"), [(False, 503), (True, 200)])
async def test_an_authorizer_that_is_gone(launch_envoy: Launch, fail_open: bool, status: int) -> None:
    found = listeners(mesh("envoyExtAuthzHttp", failOpen=fail_open, statusOnError="503"), custom(ADMIN))
    async with backend("app") as app:
        async with backend("gone") as gone:
            pass
        envoy = await launch_envoy(bootstrap(found, gone, app))
        assert (await envoy.get("http", "a", "/admin/a"))[0] == status
        assert await envoy.get("http", "a", "/") == (200, "served")


async def test_an_authorizer_over_grpc_decides_about_connections_too(launch_envoy: Launch) -> None:
    answers = [OK]
    found = listeners(mesh("envoyExtAuthzGrpc"), custom(ADMIN))
    async with backend("app") as app, grpc_authorizer(lambda: answers[0]) as authorizer:
        envoy = await launch_envoy(bootstrap(found, authorizer, app))
        assert await envoy.get("http", "a", "/admin/a") == (200, "served")
        assert (await over_tcp(await envoy.port("tcp"))).endswith(b"app")
        answers[0] = REFUSED
        assert (await envoy.get("http", "a", "/admin/a"))[0] == 403
        assert await over_tcp(await envoy.port("tcp")) == b"", "what TCP cannot see is left out, so all is asked about"
        assert await envoy.get("http", "a", "/") == (200, "served")


async def test_where_nobody_can_be_asked_what_matches_is_refused(launch_envoy: Launch) -> None:
    found = listeners(mesh("envoyExtAuthzGrpc"), custom(ADMIN), custom([{}], provider="nobody", name="other"))
    async with backend("app") as app:
        envoy = await launch_envoy(bootstrap(found, app, app))
        assert await envoy.get("http", "a", "/") == (403, "RBAC: access denied")
        assert await over_tcp(await envoy.port("tcp")) == b""


async def test_an_audited_connection_leaves_the_name_of_the_policy(launch_envoy: Launch, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    found = listeners(policy({"action": "AUDIT", "rules": [{}]}), logged=str(log))
    async with backend("app") as app:
        envoy = await launch_envoy(bootstrap(found, app, app))
        assert (await over_tcp(await envoy.port("tcp"))).endswith(b"app")

        async def written() -> str:
            return log.read_text() if log.exists() else ""

        text = await until(written, "an access log entry")
    assert '"audit_shadow_effective_policy_id":"ns[shop]-policy[p]-rule[0]"' in text
