"""Whether a proxy is who it says it is."""

from __future__ import annotations

from collections.abc import Iterator

from xds.callers.caller import Caller
from xds.model.proxy import Proxy
from xds.server.errors import Denied, Reason


def authorize(caller: Caller, proxy: Proxy) -> None:
    """Return when all that the proxy says of its identity is proven.

    Its namespace and its service account must be the caller's (what it does not say counts as ``default``, as
    everywhere), and its name the pod's when the proof names one; in its node metadata and, where that has istio's
    form, in its node id.

    Errors: Denied (PERMISSION_DENIED), with what was claimed and what is proven.
    """
    for what, claimed, proven in _claims(caller, proxy):
        if claimed != proven:
            text = f"the proxy says that its {what} is {claimed[:200]!r}, and proves that it is {proven!r}"
            raise Denied(text, Reason.PERMISSION_DENIED)


def _claims(caller: Caller, proxy: Proxy) -> Iterator[tuple[str, str, str]]:
    """What it is, as the proxy says, as is proven."""
    yield "namespace", proxy.namespace, caller.namespace
    yield "service account", proxy.service_account, caller.service_account
    if caller.pod:
        yield "name", proxy.name, caller.pod
    parts = proxy.id.split("~")
    name, dot, namespace = parts[2].rpartition(".") if len(parts) == 4 else ("", "", "")
    if dot:
        yield "namespace in its node id", namespace, caller.namespace
        if caller.pod:
            yield "name in its node id", name, caller.pod
