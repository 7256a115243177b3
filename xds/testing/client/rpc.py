"""gRPC calls over one channel."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from xds.testing.client.job import Emit, Job


def run(job: Job, emit: Emit) -> None:
    """Make ``count`` calls of ``method`` over one channel."""
    os.environ["GRPC_DNS_RESOLVER"] = "native"  # the pod's own resolver, as all others use it
    import grpc

    what = job.what
    with grpc.insecure_channel(what["target"]) as channel:
        for _ in range(what["count"]):
            start = time.monotonic()
            told = _call(channel, what)
            emit({**told, "elapsed_s": time.monotonic() - start})


def _call(channel: Any, what: dict[str, Any]) -> dict[str, Any]:
    import grpc

    metadata = [(name.lower(), value) for name, value in what["headers"]]
    call = channel.stream_stream(what["method"])(
        iter([what["data"].encode()]), metadata=metadata, timeout=what["timeout_s"]
    )
    received: list[str] = []
    with contextlib.suppress(grpc.RpcError):  # its code says it
        received.extend(reply.decode(errors="replace") for reply in call)
    sent = [*(call.initial_metadata() or ()), *(call.trailing_metadata() or ())]
    return {
        "messages": received,
        "code": call.code().name,
        "details": call.details(),
        "metadata": [(name, value) for name, value in sent if isinstance(value, str)],
    }
