"""What stands before every page: who may be called by which name, and what a browser may do with the answer."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Names that no stranger can have a public DNS server answer for.
_OWN_SUFFIXES: Final = (".localhost", ".svc", ".cluster.local")
_OTHER_SITES: Final = frozenset({"cross-site", "same-site"})
_OURSELVES: Final = frozenset({"none", "same-origin"})
_DOCUMENT: Final = "document"
_BEGINNING: Final = frozenset({"/debug/record", "/debug/profile"})  # to ask for these does something
_BROWSER: Final = "Mozilla/"  # how all of them begin to say what they are
_ALWAYS: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


def is_own_name(host: str) -> bool:
    """Whether ``host`` (of a Host header) may be a name of ours.

    An address, a name without a dot, or one below a suffix that is not of the public DNS: no page of a stranger can be
    served under it and then have the name lead here (DNS rebinding), which would let that page read ours.
    """
    name = host.lower()
    if name.startswith("["):
        return _is_address(name[1:].partition("]")[0])
    name = name.partition(":")[0].removesuffix(".")
    return "." not in name or name.endswith(_OWN_SUFFIXES) or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Guard:
    """An application around another: refuses strange hosts and strangers' scripts; its headers bind browsers."""

    def __init__(self, guarded: ASGIApp) -> None:
        self._guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with 421 or 403."""
        if scope["type"] != "http":
            await self._guarded(scope, receive, send)
            return

        async def bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = _refusal(Headers(scope=scope), scope["method"], scope["path"])
        if refused is None:
            await self._guarded(scope, receive, bound)
        else:
            await refused(scope, receive, bound)


def _refusal(headers: Headers, method: str, path: str) -> Response | None:
    host = headers.get("host", "")
    if not is_own_name(host):
        why = f"{host}: must be an address, localhost or a name of the cluster; ask me by one of those\n"
        return PlainTextResponse(why, 421)
    site = headers.get("sec-fetch-site", "")
    # Another site's page may lead here by a link, and otherwise has nothing to ask for.
    if site in _OTHER_SITES and not (method == "GET" and _is_link(headers)):
        return PlainTextResponse("other sites' pages are not answered\n", 403)
    # Where an address is not of this machine, browsers do not say whose page asks.
    if path in _BEGINNING and site not in _OURSELVES and headers.get("user-agent", "").startswith(_BROWSER):
        return PlainTextResponse("pages of a browser begin nothing here\n", 403)
    return None


def _is_link(headers: Headers) -> bool:
    """Whether somebody goes to the page, which takes the place of the other site's: no frame, no image."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", _DOCUMENT) == _DOCUMENT
