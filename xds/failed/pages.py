"""``/debug/failures``: what failed in the last quarter of an hour, as this control plane's own proxies told it.

``?pods=NAMESPACE/NAME,...``: as these told it; ``?request_id=ID``: of one request, in an hour. JSON: ``failures`` are
``FailedCalls`` as ``failed.call`` shapes them, the newest first; ``dropped`` is how many calls were not looked at.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from xds.failed.failed import Failed


def routes(failed: Failed) -> list[Route]:
    """The page."""

    async def failures(request: Request) -> Response:
        asked = request.query_params
        found = failed.lately([each for each in asked.get("pods", "").split(",") if each], asked.get("request_id", ""))
        body = msgspec.json.encode({"failures": found, "dropped": failed.record.dropped})
        return Response(body, media_type="application/json")

    return [Route("/debug/failures", failures)]
