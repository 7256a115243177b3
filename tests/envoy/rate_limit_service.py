"""A rate limit service for tests: two requests of each description in all, the others are over the limit."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any

import grpc

from xds.api.envoy.service.ratelimit.v3.rls_pb2 import RateLimitRequest, RateLimitResponse

MOST = 2


async def main(port: int) -> None:
    """Serve until stopped."""
    seen: Counter[tuple[str, ...]] = Counter()

    async def should_rate_limit(request: RateLimitRequest, _context: Any) -> RateLimitResponse:
        keys = [(request.domain, *(f"{e.key}={e.value}" for e in each.entries)) for each in request.descriptors]
        seen.update(keys)
        over = any(seen[key] > MOST for key in keys)
        code = RateLimitResponse.OVER_LIMIT if over else RateLimitResponse.OK
        return RateLimitResponse(overall_code=code)

    handler = grpc.unary_unary_rpc_method_handler(
        should_rate_limit, RateLimitRequest.FromString, RateLimitResponse.SerializeToString
    )
    handlers = {"ShouldRateLimit": handler}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("envoy.service.ratelimit.v3.RateLimitService", handlers),)
    )
    server.add_insecure_port(f"0.0.0.0:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
