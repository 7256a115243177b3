"""Requests by the address that was dialled, where the host that is asked for is not all that counts.

Envoy chooses a virtual host by the host alone. Where it matters, a script asks for the route of the address, and keeps
it if that is a frontend's; the request that is passed on has the host that it came with. The script is the route
table's: in the listener its filter does nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from google.protobuf.any_pb2 import Any

from xds.api.envoy.extensions.filters.http.lua.v3.lua_pb2 import Lua, LuaPerRoute
from xds.api.envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpFilter
from xds.view.specs.routes import ROUTED, UNKNOWN
from xds.wire.codec import pack

FILTER: Final = "frontends"
"""The name of the filter, under which routes say what their host is."""

KEY: Final = "frontend"
"""Where they say it in their metadata."""

# The route is looked up when metadata() is called, and not again: each of these calls answers once. A host that is
# known without being a frontend (no metadata) is kept only from who asks for a frontend that was not dialled.
_SCRIPT: Final = f"""
function envoy_on_request(handle)
  local headers = handle:headers()
  local asked = headers:get(":authority")
  local named = handle:route():metadata():get("{KEY}")
  headers:replace(":authority", handle:streamInfo():downstreamLocalAddress():match("^(.-):%d+$"))
  handle:clearRouteCache()
  local dialled = handle:metadata():get("{KEY}")
  headers:replace(":authority", asked)
  if dialled ~= "{ROUTED}" and (dialled == "{UNKNOWN}" or named ~= "{ROUTED}") then
    handle:clearRouteCache()
  end
end
"""


@cache
def http_filter() -> HttpFilter:
    """The filter of outbound HTTP chains; what it does to headers makes nobody look for another route."""
    without_code = Lua()
    without_code.clear_route_cache.value = False
    return HttpFilter(name=FILTER, typed_config=pack(without_code))


@cache
def by_address() -> Any:
    """What makes a route table's requests go by address."""
    message = LuaPerRoute()
    message.source_code.inline_string = _SCRIPT
    return pack(message)
