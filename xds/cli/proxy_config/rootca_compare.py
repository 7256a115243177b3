"""``plait proxy-config rootca-compare``: whether two proxies believe the same roots, as TLS needs."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Annotated, Any

import typer

from xds.cli.failure import Failure
from xds.cli.local_mesh import pod_names
from xds.cli.output import Output, print_document
from xds.cli.proxy_config.dump import ProxyConfig
from xds.cli.proxy_config.source import From, read

_ROOTS = "ROOTCA"


def command(
    proxy: From,
    other: Annotated[str, typer.Argument(metavar="PROXY", help="The other one.", autocompletion=pod_names)],
) -> None:
    """Compare the roots that two proxies believe.

    Exit status 0: there is a root that both have. 1: there is none, so each refuses the other's certificates.
    """
    mine, theirs = roots(read(proxy), proxy.proxy), roots(read(replace(proxy, proxy=other)), other)
    both = sorted(mine & theirs)
    if proxy.output is not Output.TABLE:
        print_document({"both": both, "first": sorted(mine - theirs), "second": sorted(theirs - mine)}, proxy.output)
    elif mine == theirs:
        typer.echo(f"{proxy.proxy} and {other} believe the same {len(mine)} root(s)")
    else:
        said = f"{len(both)} root(s) of both" if both else "no root in common: neither takes the other's certificate"
        typer.echo(f"{proxy.proxy} and {other}: {said}; {len(mine - theirs)} and {len(theirs - mine)} of one alone")
    raise typer.Exit(0 if both else 1)


def roots(config: ProxyConfig, name: str) -> frozenset[str]:
    """The fingerprints (SHA-256) of the roots. Errors: Failure where the proxy was sent none."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    secret = next((each.resource for each in config.secrets if each.name == _ROOTS), None)
    source: dict[str, Any] = dict((secret or {}).get("validation_context", {}).get("trusted_ca", {}))
    if "inline_bytes" in source:
        text = base64.b64decode(source["inline_bytes"])
    elif "inline_string" in source:
        text = source["inline_string"].encode()
    else:
        raise Failure(f"{name} has been sent no roots ({_ROOTS})")
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError as error:
        raise Failure(f"{name}: its roots cannot be read: {error}") from None
    return frozenset(hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in found)
