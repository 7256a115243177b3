"""What failed lately, as the control plane's replicas were told by their proxies."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from xds.cli.control_plane import control_plane
from xds.cli.where import Where
from xds.failed.call import FailedCalls


def failures(where: Where, pods: Sequence[str] = (), request_id: str = "") -> Sequence[FailedCalls]:
    """What failed lately as the proxies of these pods (``shop/web-1``) told it, or all; of one request.

    Nothing where the control plane is an older one. Errors: Failure, Unreachable.
    """
    told = control_plane(where).ask_each("/debug/failures", pods=",".join(pods), request_id=request_id)
    found = (msgspec.convert(answer["failures"], list[FailedCalls]) for answer in told.values() if answer)
    return [each for kinds in found for each in kinds]
