"""Wait until a pod's traffic is redirected, before its sidecar starts: where a node agent sets the rules.

A connection of user 1337 (Envoy) over loopback to another address than 127.0.0.1 is sent to port 15006 by the rules and
by nothing else. So this listens there and connects elsewhere until it meets itself. It needs no privilege, only that
user; of what a pod can exclude only ports matter, so each attempt takes another.

``python3 -m xds.cni.await_redirect [SECONDS]`` is the init container's command. It imports next to nothing: every pod
waits for it.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from typing import Final

from xds.model.interception import INBOUND_PORT, PROXY_ID

_ELSEWHERE: Final = "127.0.0.2"
_PAUSE_S: Final = 0.05
_TIMEOUT_S: Final = 60.0


class NotRedirected(Exception):
    """The rules have not come; the text says what to look at."""


def await_redirect(timeout_s: float) -> None:
    """Return when traffic is redirected. Errors: NotRedirected, also where it could never be seen."""
    if os.getuid() != PROXY_ID:
        raise NotRedirected(f"must run as user {PROXY_ID}, whose traffic shows whether there are rules")
    try:
        listener = socket.create_server(("127.0.0.1", INBOUND_PORT))
    except OSError as error:
        raise NotRedirected(f"cannot listen on 127.0.0.1:{INBOUND_PORT}: {error}") from None
    with listener:
        listener.settimeout(1.0)
        deadline = time.monotonic() + timeout_s
        while not _meets_itself(listener):
            if time.monotonic() > deadline:
                raise NotRedirected(
                    f"no interception rules within {timeout_s:g} s: does plait's node agent run on this node, and what "
                    "does it log about this pod? (kubectl -n kube-system logs ds/plait-cni)"
                )
            time.sleep(_PAUSE_S)


def _meets_itself(listener: socket.socket) -> bool:
    try:
        with socket.create_connection((_ELSEWHERE, random.randrange(1024, 65536)), timeout=1.0) as connection:
            other, peer = listener.accept()
            other.close()
            return bool(peer == connection.getsockname())
    except OSError:
        return False


def main() -> None:
    """Wait, and exit: 0 when traffic is redirected, 1 (with the reason on stderr) when not in time."""
    timeout_s = float(sys.argv[1]) if len(sys.argv) > 1 else _TIMEOUT_S
    try:
        await_redirect(timeout_s)
    except NotRedirected as error:
        sys.exit(f"plait: error: {error}")


if __name__ == "__main__":
    main()
