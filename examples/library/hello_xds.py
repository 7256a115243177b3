"""Hand-made resources, served to an Envoy: `python hello_xds.py 127.0.0.1:18000 10000`, then `curl localhost:10000`."""

from __future__ import annotations

import asyncio
import sys

from xds.api.envoy.config.listener.v3 import listener_pb2
from xds.api.envoy.extensions.filters.http.router.v3 import router_pb2
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from xds.server import Resource, Server, SnapshotCache


def hello(port: int) -> listener_pb2.Listener:
    """A listener that answers every request by itself."""
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="hello")
    host = manager.route_config.virtual_hosts.add(name="hello", domains=["*"])
    answer = host.routes.add(match={"prefix": "/"}).direct_response
    answer.status, answer.body.inline_string = 200, "hello from Plait\n"
    manager.http_filters.add(name="router").typed_config.Pack(router_pb2.Router())
    listener = listener_pb2.Listener(name="hello")
    listener.address.socket_address.address, listener.address.socket_address.port_value = "127.0.0.1", port
    listener.filter_chains.add().filters.add(name="http").typed_config.Pack(manager)
    return listener


async def main(address: str, port: int) -> None:
    """Serve it to every Envoy that comes."""
    cache = SnapshotCache(lambda node: "everyone")
    cache.set("everyone", [Resource.of(hello(port))])
    server = Server(cache)
    print("xDS on port", server.add_plaintext(address), flush=True)
    await server.start()
    await cache.acked("everyone")
    print("an Envoy has it", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
