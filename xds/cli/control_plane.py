"""Questions to a running control plane, over its HTTP port or, for a local mesh, its unix socket."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from xds.cli.failure import Failure
from xds.cli.local_mesh import running_mesh

DEFAULT: Final = "127.0.0.1:15014"
_TIMEOUT_S: Final = 10.0

HttpOption = Annotated[
    str,
    typer.Option(
        "--http",
        metavar="ADDR",
        envvar="PLAIT_HTTP",
        help=f"The control plane's HTTP address. Default: that of the mesh of `plait up`, else {DEFAULT}.",
    ),
]
MeshOption = Annotated[str, typer.Option("--mesh", metavar="NAME", help="Which local mesh, where several run.")]


class Unreachable(Failure):
    """No control plane answers at that address."""


def address(http: str = "", mesh: str = "") -> str:
    """Where the control plane answers: ``http``, or what a running local mesh says, or the default."""
    if http:
        return http
    running = running_mesh(mesh)
    return DEFAULT if running is None else running.sockets.get("http", DEFAULT)


def ask(where: str, path: str, **query: str) -> Any:
    """The JSON at ``path`` of the control plane at ``where`` (``host:port``, a URL, or the path of a unix socket).

    None when it knows no such thing (404). Errors: Unreachable; Failure for any other answer.
    """
    import httpx

    socket = where.removeprefix("unix:")
    local = socket.startswith("/")
    url = "http://plait" if local else where if "://" in where else f"http://{where}"
    transport = httpx.HTTPTransport(uds=socket) if local else None
    try:
        with httpx.Client(transport=transport, timeout=_TIMEOUT_S, trust_env=False) as client:
            answer = client.get(url.rstrip("/") + path, params=query)
    except httpx.InvalidURL:
        raise Failure(f"{where!r} is no address: must be host:port, a URL or unix:/path") from None
    except (httpx.TransportError, OSError) as error:
        raise Unreachable(
            f"no control plane answers at {where} ({error}); start one with `plait up` or `plait serve`, "
            "or say where it is with --http"
        ) from None
    if answer.status_code == 404:
        return None
    if answer.status_code != 200:
        raise Failure(f"the control plane at {where} answered {path} with {answer.status_code}: {answer.text[:200]}")
    try:
        return answer.json()
    except ValueError:
        raise Failure(f"what answers at {where} is no control plane of plait: no JSON at {path}") from None
