"""The Secrets of a router's servers: which it may have, and what of them is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from xds.model.credential import Credential
from xds.model.gateway import CredentialName, EdgeTls, EdgeTlsMode
from xds.model.refs import ObjectRef
from xds.model.snapshot import Table
from xds.view import names
from xds.view.gateway.edge_ports import EdgePort
from xds.view.gateway.routers import Router
from xds.view.gateway.server_names import server_name
from xds.view.gateway.tables import sign
from xds.view.graph import Call, Read, call
from xds.view.secrets import secret
from xds.view.specs.listeners import EdgeSocket
from xds.view.specs.resources import SecretSpec

_PROVING: Final = (EdgeTlsMode.MUTUAL, EdgeTlsMode.OPTIONAL_MUTUAL)


class Held(NamedTuple):
    """Whether a server's certificates are there, and what proves its clients."""

    certificate: bool
    authorities: bool


def held(read: Read, tls: EdgeTls, router: Router) -> Held:
    """What a router has of what a server needs; stays equal while certificates are only renewed."""
    if not tls.certificates:
        return Held(bool(tls.pairs), bool(tls.authorities_file) or _proves(read, _authorities(tls), router))
    shown = all(read.get(_has, each, router.scope.namespace).certificate for each in tls.certificates)
    return Held(shown and router.has_secrets, _proves(read, _authorities(tls), router))


def _proves(read: Read, authorities: CredentialName | None, router: Router) -> bool:
    if authorities is None or not router.has_secrets:
        return False
    return read.get(_has, authorities, router.scope.namespace).authorities


def _has(read: Read, name: CredentialName, home: str) -> Held:
    found = {each.name: each for each in edge_secret(read, name, home)}
    return Held(certificate_name(name) in found, authorities_name(name) in found)


def _authorities(tls: EdgeTls) -> CredentialName | None:
    return tls.authorities or (tls.certificates[0] if tls.certificates else None)


def socket(tls: EdgeTls, has: Held, server: str, *, http: bool) -> EdgeSocket | None:
    """The TLS of a server of that name; None where it could not be spoken, or nobody could prove himself."""
    if not has.certificate:
        return None
    # Which Secrets these are is no part of it: an edit of that sends secrets, and no chain.
    bare = replace(tls, certificates=(), authorities=None)
    shown = tuple(shown_name(server, place) for place in range(len(tls.certificates)))
    if not _proving(tls):
        return EdgeSocket(bare, shown, http=http)
    if not has.authorities and not (tls.spki or tls.hashes):
        return None
    by_name = has.authorities and not tls.authorities_file
    return EdgeSocket(bare, shown, believed_name(server) if by_name else "", http=http)


def _proving(tls: EdgeTls) -> bool:
    return tls.mode in _PROVING and tls.verify


def shown_name(server: str, place: int = 0) -> str:
    """``gateway://https.443.https.front.shop``: a certificate that a server shows, whichever Secret it is in."""
    return f"gateway://{server}{f'/{place}' if place else ''}"


def believed_name(server: str) -> str:
    """``gateway://https.443.https.front.shop/cacert``: whom a server believes, whichever Secret says so."""
    return f"{shown_name(server)}/cacert"  # no namespace's name ends like that


def clients_authorities(tls: EdgeTls) -> CredentialName | None:
    """The Secret (or ConfigMap) without which a server's clients cannot prove themselves; None where none is needed."""
    if not _proving(tls) or tls.spki or tls.hashes or tls.authorities_file:
        return None
    return _authorities(tls)


def certificate_name(name: CredentialName) -> str:
    """``kubernetes://web-tls``; of another namespace, ``kubernetes-gateway://shop/web-tls``."""
    return names.credential(name.name) if not name.namespace else f"kubernetes-gateway://{name.namespace}/{name.name}"


def authorities_name(name: CredentialName) -> str:
    """The name under which what a Secret (or ConfigMap) says to believe is sent."""
    if name.config_map:
        return f"configmap://{name.namespace}/{name.name}{names.OF_AUTHORITIES}"
    return f"{certificate_name(name)}{names.OF_AUTHORITIES}"


def secret_leaves(router: Router, port: EdgePort) -> tuple[Call, ...]:
    """What makes the secrets of a port's servers, for a router that may have them."""
    if not router.has_secrets:
        return ()
    leaves = []
    for placed in port.servers:
        tls = placed.server.tls
        if tls is None or not (tls.certificates or tls.authorities):
            continue
        believed = _authorities(tls) if _proving(tls) and not tls.authorities_file else None
        needs = Needed(server_name(port, placed), tls.certificates, believed, placed.gateway)
        leaves.append(call(server_secrets, needs, router.scope.namespace))
    return tuple(leaves)


class Needed(NamedTuple):
    """The Secrets of one server, under the names by which its chains know them."""

    server: str
    certificates: tuple[CredentialName, ...]
    authorities: CredentialName | None
    gateway: ObjectRef


def server_secrets(read: Read, needs: Needed, home: str) -> tuple[SecretSpec, ...]:
    """What a server shows and whom it believes, as far as it is there, for a router of namespace ``home``."""
    wanted = [(certificate_name(each), each, shown_name(needs.server, i)) for i, each in enumerate(needs.certificates)]
    if needs.authorities is not None:
        wanted.append((authorities_name(needs.authorities), needs.authorities, believed_name(needs.server)))
    sign(read, needs.gateway)
    found = []
    for name, at, called in wanted:
        found += [replace(spec, name=called) for spec in edge_secret(read, at, home) if spec.name == name]
    return tuple(found)


def secret_leaf(name: CredentialName, home: str) -> Call:
    """What makes the secret of that name, for a router of namespace ``home`` that may have it."""
    # That of the router's own is the same leaf as for rules that name it: it stays while either does.
    own = not (name.namespace or name.config_map)
    return call(secret, home, name.name) if own else call(edge_secret, name, home)


def edge_secret(read: Read, name: CredentialName, home: str) -> tuple[SecretSpec, ...]:
    """A Secret that a server names, of the router's namespace ``home`` unless it says another's."""
    if name.config_map:
        found: Credential | None = read.first(Table.CREDENTIAL, (name.namespace or home, f"configmap/{name.name}"))
        if found is None or not found.authorities:
            return ()
        return (SecretSpec(authorities_name(name), authorities=found.authorities, revoked=found.revoked),)
    specs = read.get(secret, name.namespace or home, name.name)
    own, believed = names.credential(name.name), names.credential_authorities(name.name)
    renamed = {own: certificate_name(name), believed: authorities_name(name)}
    return tuple(replace(spec, name=renamed[spec.name]) for spec in specs)
