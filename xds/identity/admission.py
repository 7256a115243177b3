"""Who is let in: what a connection proves, and whether a proxy is whom it says it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from xds.callers.authorize import authorize
from xds.callers.caller import Caller
from xds.identity.trust import Trust
from xds.model.endpoint import Locality
from xds.model.proxy import Proxy
from xds.server import Denied, Node, Peer, Reason

_AUTHORIZATION = "authorization"
# Node ids have two names of 253 characters at most, an address and a domain.
_LONGEST_NAME = 1024


async def caller_of(peer: Peer, trust: Trust, *, anonymous: bool) -> Caller | None:
    """Who has proven to be at the other end; None for one that has not and need not, as ``anonymous`` ones are served.

    Over TLS nobody is anonymous, and over plaintext that others could read nobody is believed: what is proven there
    could be repeated. Errors: Denied.
    """
    local = peer.address.startswith("unix:")
    if anonymous and not peer.secure and not (local and _AUTHORIZATION in peer.metadata):
        return None
    if not peer.secure and not local:
        raise Denied("plaintext proves nothing: come over TLS", Reason.UNAUTHENTICATED)
    if trust.authenticator is None:
        raise Denied("nobody can prove who it is to this control plane", Reason.UNAUTHENTICATED)
    return await trust.authenticator.authenticate(peer)


def proxy_of(node: Node, peer: Peer, caller: Caller | None) -> Proxy:
    """The proxy that a node says it is. Errors: Denied when that is not what its caller has proven."""
    place = Locality(node.locality.region, node.locality.zone, node.locality.sub_zone)
    proven = caller is not None
    proxy = Proxy.of(node.id, node.metadata, locality=place, vhds=peer.delta, version=node.version, proven=proven)
    _check_names(proxy)
    if caller is None:
        return proxy
    authorize(caller, proxy)
    return replace(proxy, namespace=caller.namespace, service_account=caller.service_account)


def _check_names(proxy: Proxy) -> None:
    """Errors: Denied for a name that would be a burden, or a trick, in logs and on terminals."""
    own = (proxy.id, proxy.name, proxy.namespace, proxy.service_account, proxy.version, proxy.group)
    for name in (*own, *proxy.addresses):
        if len(name) > _LONGEST_NAME or not name.isprintable():
            text = f"a name of the node is too long or has characters that do not print: {name[:80]!r}"
            raise Denied(text, Reason.PERMISSION_DENIED)


def seconds_left(caller: Caller | None) -> float | None:
    """The seconds that a caller's proof is good for; None where it has no end."""
    if caller is None or caller.expires_at is None:
        return None
    return max(0.0, (caller.expires_at - datetime.now(UTC)).total_seconds())


def counted_as(caller: Caller | None, node: Node, peer: Peer) -> str:
    """Whose streams are counted together: of a pod where it has proven to be that, else of who comes from one address.

    Of those who have proven nothing it is also the node that they say they are: many may share an address, and nothing
    is kept from who lies about that.
    """
    if caller is None:
        return f"{node.id} at {peer.host}"
    place = f"pod {caller.pod}" if caller.pod else peer.host
    return f"{caller.spiffe_id} at {place}"
