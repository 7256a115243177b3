"""What a behaviour says, as values asked for by type: no list of all policies exists anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol, Self, TypeVar

from xds.model.route import Destination

if TYPE_CHECKING:
    from xds.model import service
    from xds.model.filters import FilterSlot
    from xds.model.labels import Labels
    from xds.model.placement import Order, Place
    from xds.model.provider import ExternalAuthorizer
    from xds.model.security import KeySet, TlsBounds

P = TypeVar("P", bound="Policy")
Q = TypeVar("Q")


class Policy(Protocol):
    """A feature's frozen, hashable value."""

    def merge(self, parent: Self) -> Self:
        """This policy with what it leaves open taken from ``parent`` (the next wider scope)."""


class Routed(Protocol):
    """A policy that names destinations, which only the view can turn into cluster names."""

    def resolved(self, cluster_of: Callable[[Destination], str]) -> Policy:
        """The policy with each destination's cluster name filled in."""


class Answering(Protocol):
    """A policy that answers requests itself, so that its route needs no destination."""

    answers: bool


class Arriving(Protocol):
    """A policy of which a part depends on the port at which requests come in (a redirect that names no port)."""

    def at_port(self, port: int, *, tls: bool) -> Policy:
        """The policy for requests that come in at that port."""


class Copying(Protocol):
    """A policy that sends copies of requests to destinations, of which some may turn out not to be allowed."""

    def only_to(self, allowed: Callable[[Destination], bool]) -> Policy:
        """The policy without the destinations that are not."""


class AtCaller(Protocol):
    """A policy about a host that is partly carried out where requests to it are routed (what is hashed, for one)."""

    def at_caller(self) -> Policy | None:
        """The part that belongs to routes and connections, or None."""


class Repeating(Protocol):
    """A policy that may send a request again."""

    @property
    def counted(self) -> bool:
        """Whether who is called is told which try it is."""

    def staying(self) -> Policy:
        """The policy where another policy has picked the host, which a retry must not leave."""


class Hashing(Protocol):
    """A policy that picks the host by what a request has."""

    hashes: bool


class AtServer(Protocol):
    """A policy about a host that its own workloads' proxies carry out, too (limits of connections, for one)."""

    def at_server(self) -> Policy | None:
        """The part that holds between a workload's proxy and its application, or None."""


class OfAllPorts(Protocol):
    """A policy that ``portLevelSettings`` have no words for, or not for all of it: that part they leave in force."""

    def of_all_ports(self) -> Policy | None:
        """The part that settings of a port cannot state, or None."""


class Unbalanced(Protocol):
    """A policy that may leave the choice of address to the caller (Istio's ``simple: PASSTHROUGH``)."""

    passthrough: bool


class Placing(Protocol):
    """A policy that prefers near endpoints, or shares requests out by locality."""

    @property
    def of_mesh(self) -> bool:
        """Whether it is only what the mesh says of all services."""

    @property
    def states(self) -> bool:
        """Whether it says more than whether locality counts."""

    @property
    def asks(self) -> tuple[str, ...]:
        """The labels that it compares callers by, beside their locality; that of the node, too."""

    def order(self, place: Place, *, ejecting: bool) -> Order | None:
        """The order in which a caller is given endpoints, or None; ``ejecting`` is whether failing ones are found."""


class Ejecting(Protocol):
    """A policy by which endpoints that fail are found and left out."""

    max_ejection_percent: int


class Speaking(Protocol):
    """A policy that may change what is spoken to a host (HTTP/2 for HTTP/1.1; what the caller spoke)."""

    def spoken(self, declared: service.Protocol) -> service.Protocol:
        """The protocol that is spoken to a port declared as ``declared``."""


class Encrypting(Protocol):
    """A policy that decides the TLS to a host itself, instead of the mesh (DestinationRule's ``tls``)."""

    @property
    def mesh_identity(self) -> bool:
        """Whether it is by the mesh's identities (ISTIO_MUTUAL), which the view knows."""

    @property
    def sni(self) -> str:
        """The SNI to send; empty for the mesh's own, or the request's host."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of which the server must prove one; none for those that are known of it."""

    @property
    def credential(self) -> str:
        """The Secret that holds what the client shows and believes; empty for files, or none."""

    def towards(self, names: tuple[str, ...], bounds: TlsBounds) -> Policy:
        """The policy for a service of which ``names`` are known, within what the mesh lets TLS be."""


class Believing(Protocol):
    """A policy of TLS to a host of which the authorities are found later (BackendTLSPolicy's ConfigMaps)."""

    def believing(self, authorities: bytes | None) -> Policy:
        """The policy with those authorities (PEM); empty: the system's; None: nobody is believed."""


class Showing(Protocol):
    """A policy of TLS to a host to which the caller may show a certificate of its own (a Gateway's)."""

    def showing(self, secret: str) -> Policy:
        """The policy with the certificate of that secret, where it names none itself."""


class Filtering(Protocol):
    """A policy that is carried out by filters of the workload's own proxy."""

    def in_slot(self, slot: FilterSlot, *, tcp: bool) -> Policy | None:
        """The part that the filter in that slot of HTTP (or TCP) chains carries out; None when there is none."""


class Keyed(Protocol):
    """A policy that needs the public keys of token issuers, which only the view can look up."""

    def key_sets(self) -> tuple[str, ...]:
        """The URIs of the keys: of a JWKS, or of an OpenID discovery document."""

    def keyed(self, key_set_of: Callable[[str], KeySet | None]) -> Policy:
        """The policy with its keys filled in. ``key_set_of`` takes such a URI."""


class Authorizing(Protocol):
    """A policy that asks an external authorizer by the name that MeshConfig gives it."""

    def provided(self, authorizer_of: Callable[[str], ExternalAuthorizer | None]) -> Policy:
        """The policy with its authorizers filled in; one that is not known denies."""


class Sharing(Protocol):
    """A policy that proxies keep together, and of which each keeps its part."""

    def among(self, proxies_of: Callable[[str, Labels], int]) -> Policy:
        """The policy with how many share it. ``proxies_of`` takes the namespace and the labels that it is for."""


class Policies:
    """An immutable, hashable set of policies, at most one of a type."""

    __slots__ = ("_by_type", "_hash")

    def __init__(self, policies: Iterable[Policy] = ()) -> None:
        ordered = sorted(policies, key=lambda p: (type(p).__module__, type(p).__qualname__))
        self._by_type: dict[type[Policy], Policy] = {type(policy): policy for policy in ordered}
        self._hash: int | None = None

    def get(self, kind: type[P]) -> P | None:
        """The policy of that type, or None."""
        return self._by_type.get(kind)  # type: ignore[return-value]

    def that(self, can: type[Q]) -> tuple[Q, ...]:
        """Those policies that have what the protocol ``can`` asks for (``Routed``, ``Answering`` ...)."""
        return tuple(policy for kind, policy in self._by_type.items() if _has(kind, can))  # type: ignore[misc, arg-type]

    def __iter__(self) -> Iterator[Policy]:
        return iter(self._by_type.values())

    def __len__(self) -> int:
        return len(self._by_type)

    def over(self, parent: Policies) -> Policies:
        """These policies, merged type by type over those of the next wider scope."""
        if not parent._by_type:
            return self
        if not self._by_type:
            return parent
        merged = dict(parent._by_type)
        for kind, policy in self._by_type.items():
            wider = merged.get(kind)
            merged[kind] = policy if wider is None else policy.merge(wider)
        return Policies(merged.values())

    def adding(self, *policies: Policy) -> Policies:
        """These and ``policies``; a policy given here replaces one of its type."""
        return Policies((self._by_type | {type(policy): policy for policy in policies}).values())

    def resolved(self, cluster_of: Callable[[Destination], str]) -> Policies:
        """The same policies with destinations turned into cluster names."""
        routed = self.that(Routed)
        return self.adding(*(policy.resolved(cluster_of) for policy in routed)) if routed else self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Policies) and self._by_type == other._by_type

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(tuple(self._by_type.values()))
        return self._hash

    def __repr__(self) -> str:
        return f"Policies({', '.join(map(repr, self))})"


@cache
def _has(kind: type, can: type) -> bool:
    # What isinstance does for a runtime_checkable protocol, but once a type instead of once an object.
    members = {*vars(can), *vars(can).get("__annotations__", ())}
    return all(hasattr(kind, member) for member in members if not member.startswith("_"))


NO_POLICIES: Final = Policies()
