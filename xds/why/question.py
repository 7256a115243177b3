"""What becomes of a call: a question in people's words, and its answer as a document."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from xds.explain.request import HttpRequest
from xds.failure import Failure
from xds.view.graph import Graph
from xds.why.answers import answers, arriving, way_of
from xds.why.document import Told, document
from xds.why.lately import edge_of, lately
from xds.why.mesh import KnownMesh
from xds.why.parties import Destination, Parties

_METHOD: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Question:
    """Who calls what. ``headers`` are ``NAME:VALUE``, ``token`` a bearer's, ``address`` of ``source`` if not its pod's.

    ``namespace`` is that of ``source`` where it does not say; ``plaintext``: as if it had no sidecar. ``request_id``:
    of what failed lately, this request alone.
    """

    source: str
    destination: str
    method: str = "GET"
    path: str = "/"
    namespace: str = ""
    headers: tuple[str, ...] = ()
    token: str = ""
    plaintext: bool = False
    address: str = ""
    request_id: str = ""


def explained(asked: Question, known: KnownMesh, graph: Graph) -> dict[str, Any]:
    """The way of the call and the verdicts where it arrives, as ``why.document`` shapes it; ``graph`` is of the mesh.

    Under ``lately`` stands what failed between the two (``why.lately``), where somebody knows that.

    Errors: Failure, of what cannot be asked so.
    """
    parties = Parties(known, graph, asked.namespace)
    source = parties.source(asked.source, plaintext=asked.plaintext, address=asked.address)
    host, path, tls = _split_url(asked.destination, asked.path)
    destination = parties.destination(host, source.caller, tls=tls)
    request = _request(replace(asked, path=path), _authority(destination))
    way = way_of(graph, source.caller, destination, request)
    comes_to = arriving(graph, source.caller, destination, way)
    if way is None and not comes_to:
        behind = (
            f"as no pod is behind {destination.service}" if destination.service is not None else "as nobody knows it"
        )
        raise Failure(f"{asked.destination}: nothing answers there, {behind}")
    found = answers(graph, source.caller, comes_to, request)
    edge = edge_of(graph, source, destination, found, way)
    failed = lately(graph, edge, known, asked.request_id) if edge is not None else []
    return {**document(Told(source, destination, found, way), known), "lately": failed}


def _split_url(text: str, path: str) -> tuple[str, str, bool | None]:
    """What is called of a URL, its path (else ``path``), and whether it says https; None of what is no URL."""
    scheme, found, rest = text.partition("://")
    if not found:
        return text, path, None
    if scheme not in ("http", "https"):
        raise Failure(f"{text}: must be a host, NS/POD, an IP, or a URL of http or https")
    host, slash, asked = rest.partition("/")
    return host, slash + asked if slash else path, scheme == "https"


def _authority(destination: Destination) -> str:
    host = f"[{destination.host}]" if ":" in destination.host else destination.host
    return f"{host}:{destination.port}".removesuffix(":443" if destination.tls else ":80")


def _request(asked: Question, host: str) -> HttpRequest:
    if not _METHOD.fullmatch(asked.method):
        raise Failure(f"{asked.method!r} is no method; METHOD comes before PATH, as in GET /")
    if not asked.path.startswith("/") and asked.path != "*":
        raise Failure(f"{asked.path}: a path begins with /")
    headers = [_header(text) for text in asked.headers]
    if asked.token:
        headers.append(("authorization", f"Bearer {asked.token}"))
    named = [value for name, value in headers if name in {"host", ":authority"}]
    others = tuple(pair for pair in headers if pair[0] not in {"host", ":authority"})
    return HttpRequest(asked.method.upper(), asked.path, named[-1] if named else host, others)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":") if not text.startswith(":") else _pseudo(text)
    if not colon or not name.strip():
        raise Failure(f"-H {text!r}: must be NAME:VALUE")
    return name.strip().lower(), value.strip()


def _pseudo(text: str) -> tuple[str, str, str]:
    name, colon, value = text[1:].partition(":")
    return f":{name}", colon, value
