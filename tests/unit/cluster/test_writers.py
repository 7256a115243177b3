"""Who may write what: the API server is asked with the token of who wants to, and with nothing of our own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from kubernetes import client

from xds.cluster.writers import TokenWriters
from xds.failure import Failure
from xds.model.refs import ObjectRef

WEB = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")


class ApiServer(ThreadingHTTPServer):
    """Knows ann, who may update web."""

    asked: list[tuple[str, str, Any]]


@pytest.fixture
def api_server() -> Iterator[ApiServer]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            said = self.headers.get("authorization", "")
            server.asked.append((self.path, said, body))
            status = {"Bearer t-ann": 201, "Bearer broken": 503}.get(said, 401)
            about = body.get("spec", {}).get("resourceAttributes", {})
            told = {"allowed": about.get("name") == "web", "userInfo": {"username": "ann"}}
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps({"status": told}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ApiServer(("127.0.0.1", 0), Answer) as server:
        server.asked = []
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def writers(server: ApiServer) -> TokenWriters:
    own = client.Configuration()
    own.host = f"http://127.0.0.1:{server.server_port}"
    own.api_key = {"authorization": "Bearer our-own"}
    return TokenWriters(client.ApiClient(own))


async def test_the_owner_is_asked_for_with_the_token_alone(api_server: ApiServer) -> None:
    asking = writers(api_server)
    assert (await asking.who("t-ann"), await asking.who("other")) == ("ann", "")
    assert await asking.may_update("t-ann", WEB)
    assert not await asking.may_update("t-ann", ObjectRef(WEB.group, WEB.kind, "shop", "cart"))
    assert not await asking.may_update("other", WEB)
    assert not await asking.may_update("t-ann", ObjectRef("x.example", "Unknown", "shop", "web"))
    assert {said for _, said, _ in api_server.asked} == {"Bearer t-ann", "Bearer other"}
    about = {"group": WEB.group, "resource": "virtualservices", "namespace": "shop", "name": "web"}
    assert api_server.asked[2][2]["spec"] == {"resourceAttributes": {"verb": "update", **about}}


async def test_an_api_server_in_trouble_lets_nobody_in(api_server: ApiServer) -> None:
    asking = writers(api_server)
    with pytest.raises(Failure, match=r"does not answer the token's owner \(503\)"):
        await asking.who("broken")
    api_server.shutdown()
    api_server.server_close()
    with pytest.raises(Failure, match="nobody can be let in now"):
        await asking.may_update("t-ann", WEB)
