"""Random AuthorizationPolicies and requests in a world so small that they meet: seeded, and for hypothesis.

The world: ``shop/web`` and ``shop/api`` serve HTTP (80 to 8080), gRPC (7070) and TCP (9000); ``shop/client``,
``other/visitor`` and ``plain/outsider``, who has no sidecar, call them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

from xds.explain.request import GRPC_METHOD, HttpRequest, Request

Manifest = dict[str, Any]

ROOT: Final = "istio-system"
DOMAIN: Final = "svc.cluster.local"
SERVERS: Final = ("web", "api")
PORTS: Final = {"http": (80, 8080), "grpc": (7070, 7070), "tcp": (9000, 9000)}


@dataclass(frozen=True, slots=True)
class Client:
    """Who calls: ``shop/client`` runs as service account ``client``; ``principal`` is ``""`` without a sidecar."""

    pod: str

    @property
    def namespace(self) -> str:
        return self.pod.partition("/")[0]

    @property
    def account(self) -> str:
        return self.pod.partition("/")[2]

    @property
    def principal(self) -> str:
        return f"cluster.local/ns/{self.namespace}/sa/{self.account}" if self.namespace != "plain" else ""


CLIENTS: Final = tuple(map(Client, ("shop/client", "other/visitor", "plain/outsider")))


@dataclass(frozen=True, slots=True)
class World:
    """The addresses of the pods, by ``namespace/name``."""

    addresses: Mapping[str, str]


NOWHERE: Final = World(
    {
        "shop/client": "10.0.0.1",
        "other/visitor": "10.0.0.2",
        "plain/outsider": "10.0.1.3",
        "shop/web": "10.0.1.4",
        "shop/api": "10.0.1.5",
    }
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a client to a server, by what the client says."""

    kind: str
    client: Client
    server: str
    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] | None = None

    @property
    def port(self) -> int:
        """The port of the service."""
        return PORTS[self.kind][0]

    def request(self, world: World, *, proven: bool = True) -> Request:
        """What the server's proxy sees of it."""
        principal = self.client.principal if proven else ""
        sni = f"outbound_.{self.port}_._.{self.server}.shop.{DOMAIN}" if principal else ""
        return Request(
            port=PORTS[self.kind][1],
            principal=principal,
            peer=world.addresses[self.client.pod],
            destination=world.addresses[f"shop/{self.server}"],
            sni=sni,
            http=self._http(),
        )

    def _http(self) -> HttpRequest | None:
        headers = tuple(self.headers.items())
        if self.kind == "tcp":
            return None
        method = GRPC_METHOD if self.kind == "grpc" else self.method
        return HttpRequest(method, self.path, self.host, headers, self.claims)


# -- policies


class Chooser:
    """Chooses by one random source, so that a seed (or hypothesis) decides everything."""

    def __init__(self, random: Random, world: World) -> None:
        self._random = random
        self._world = world

    def one(self, *of: Any) -> Any:
        return self._random.choice(of)

    def some(self, *of: Any, most: int = 2) -> list[Any]:
        return self._random.sample(of, self._random.randint(1, min(most, len(of))))

    def maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def fields(self, words: Mapping[str, tuple[Any, ...]], most: int) -> Manifest:
        """Some of the fields with some of their words; now and then the negation instead, or both."""
        found: Manifest = {}
        for name in self.some(*words, most=most):
            negated = f"not{name[0].upper()}{name[1:]}"
            which = self.one(name, name, name, negated, "both")
            if which in {name, "both"}:
                found[name] = self.some(*words[name])
            if which in {negated, "both"}:
                found[negated] = self.some(*words[name])
        return found

    def addresses(self) -> tuple[str, ...]:
        known = self._world.addresses
        return (known["shop/client"], f"{known['other/visitor']}/32", f"{known['plain/outsider']}/8", "192.0.2.0/24")

    def destinations(self) -> tuple[str, ...]:
        return (self._world.addresses["shop/web"], f"{self._world.addresses['shop/api']}/8", "192.0.2.9")


PRINCIPALS: Final = (
    "cluster.local/ns/shop/sa/client",
    "cluster.local/ns/other/sa/visitor",
    "cluster.local/ns/shop/*",
    "*/sa/visitor",
    "*",
    "elsewhere.example/ns/shop/sa/client",
    "cluster.local/ns/sh",
)
NAMESPACES: Final = ("shop", "other", "o*", "*p", "*", "nobody")
ACCOUNTS: Final = ("client", "other/visitor", "visitor", "shop/client")
REQUEST_PRINCIPALS: Final = ("*", "issuer.example/ann", "issuer.example/*", "*/bob", "other.example/ann")
HOSTS: Final = ("web", "web.shop", f"api.shop.{DOMAIN}", "*.shop", "web*", "WEB.shop", "web.shop:*", "*:7070", "*")
METHODS: Final = ("GET", "POST", "P*", "*T", "*", "get")
PATHS: Final = ("/a", "/a*", "*/b", "/a/{*}/b", "/a/{**}", "/{*}", "/a/b", "*", "/plait.Echo/*", "/x%20y")
PORT_WORDS: Final = ("8080", "7070", "9000", "80")
HEADER_WORDS: Final = ("ann", "an*", "*nn", "*", "Ann", "a,b")


def source(choose: Chooser) -> Manifest:
    words: Mapping[str, tuple[Any, ...]] = {
        "principals": PRINCIPALS,
        "namespaces": NAMESPACES,
        "ipBlocks": choose.addresses(),
        "remoteIpBlocks": choose.addresses(),
        "requestPrincipals": REQUEST_PRINCIPALS,
    }
    if choose.maybe(0.15):  # excludes principals and namespaces
        return choose.fields({"serviceAccounts": ACCOUNTS}, 1)
    return choose.fields(words, 2)


def operation(choose: Chooser) -> Manifest:
    return choose.fields({"hosts": HOSTS, "methods": METHODS, "paths": PATHS, "ports": PORT_WORDS}, 2)


def condition(choose: Chooser) -> Manifest:
    keys: Mapping[str, tuple[str, ...]] = {
        "request.headers[x-user]": HEADER_WORDS,
        "request.headers[X-Role]": HEADER_WORDS,
        "source.ip": choose.addresses(),
        "remote.ip": choose.addresses(),
        "source.namespace": NAMESPACES,
        "source.principal": PRINCIPALS,
        "destination.ip": choose.destinations(),
        "destination.port": PORT_WORDS,
        "connection.sni": ("outbound_*", f"*web.shop.{DOMAIN}", "*", "nobody"),
        "request.auth.principal": REQUEST_PRINCIPALS,
        "request.auth.audiences": ("shop", "sh*", "*"),
        "request.auth.presenter": ("app", "*"),
        "request.auth.claims[group]": ("staff", "st*", "*"),
        "request.auth.claims[realm][roles]": ("admin", "*min"),
        "request.auth.claims[scope]": ("read", "write", "read write"),
    }
    key = choose.one(*keys)
    found: Manifest = {"key": key}
    which = choose.one("values", "values", "notValues", "both")
    if which in {"values", "both"}:
        found["values"] = choose.some(*keys[key])
    if which in {"notValues", "both"}:
        found["notValues"] = choose.some(*keys[key])
    return found


def rule(choose: Chooser) -> Manifest:
    found: Manifest = {}
    if choose.maybe(0.5):
        found["from"] = [{"source": source(choose)} for _ in range(choose.one(1, 1, 2))]
    if choose.maybe(0.6):
        found["to"] = [{"operation": operation(choose)} for _ in range(choose.one(1, 1, 2))]
    if choose.maybe(0.35):
        found["when"] = [condition(choose) for _ in range(choose.one(1, 1, 2))]
    return found


def policy(choose: Chooser, number: int, *, actions: tuple[str, ...]) -> Manifest:
    namespace = choose.one(ROOT, "shop", "shop", "shop", "other")
    metadata: Manifest = {"name": f"p{number}", "namespace": namespace}
    if choose.maybe(0.1):
        metadata["annotations"] = {"istio.io/dry-run": "true"}
    spec: Manifest = {}
    action = choose.one(*actions)
    if action != "ALLOW" or choose.maybe(0.5):
        spec["action"] = action
    if choose.maybe(0.6):
        spec["selector"] = {"matchLabels": {"app": choose.one(*SERVERS)}}
    if action != "ALLOW" or choose.maybe(0.95):
        spec["rules"] = [rule(choose) for _ in range(choose.one(1, 1, 2, 3))]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


ENFORCED: Final = ("ALLOW", "ALLOW", "ALLOW", "DENY", "AUDIT")


def policies(random: Random, world: World = NOWHERE, *, actions: tuple[str, ...] = ENFORCED) -> list[Manifest]:
    """Up to four policies, mostly of the servers."""
    choose = Chooser(random, world)
    return [policy(choose, number, actions=actions) for number in range(choose.one(1, 1, 2, 2, 3, 4))]


# -- calls


def calls(random: Random, count: int, world: World = NOWHERE, *, tokens: bool = False) -> list[Call]:
    """So many calls of every kind, from every client, to every server."""
    choose = Chooser(random, world)
    return [_call(choose, tokens=tokens) for _ in range(count)]


def _call(choose: Chooser, *, tokens: bool) -> Call:
    kind, client, server = choose.one("http", "http", "http", "grpc", "tcp"), choose.one(*CLIENTS), choose.one(*SERVERS)
    full = f"{server}.shop.{DOMAIN}"
    if kind == "tcp":
        return Call(kind, client, server, host=full)
    headers = {"x-user": choose.one("ann", "anna", "Ann", "joann", "a,b", "")} if choose.maybe(0.5) else {}
    if choose.maybe(0.2):
        headers["x-role"] = choose.one("ann", "bob")
    claims = _claims(choose) if tokens and choose.maybe(0.4) else None
    if kind == "grpc":
        method = choose.one("/plait.Echo/Echo", "/a/b", "/shop.Other/Call")
        return Call(kind, client, server, "POST", method, f"{full}:7070", headers, claims)
    if choose.maybe(0.3):
        headers["x-forwarded-for"] = choose.one("192.0.2.7", "198.51.100.1, 192.0.2.8", "nonsense")
    method = choose.one("GET", "GET", "POST", "PUT", "DELETE")
    return Call(kind, client, server, method, _path(choose), _host(choose, client, server), headers, claims)


def _path(choose: Chooser) -> str:
    plain = ("/", "/a", "/ab", "/a/b", "/a/x/b", "/a/x/y/b", "/a/", "/b", "/x/../a", "/a/./b", "/a//b", "/A", "/x%20y")
    return str(choose.one(*plain)) + str(choose.one("", "", "", "?q=1", "?/b"))


def _host(choose: Chooser, client: Client, server: str) -> str:
    # Only the names under which a client's own sidecar knows the server lead to it.
    short = (server,) if client.namespace == "shop" else ()
    known = (*short, f"{server}.shop", f"{server}.shop:80", f"{server}.shop.{DOMAIN}")
    return str(choose.one(*known, *(("WEB.Shop", "anything.example", "web") if not client.principal else ())))


def _claims(choose: Chooser) -> Manifest:
    found: Manifest = {"iss": choose.one("issuer.example", "other.example"), "sub": choose.one("ann", "bob")}
    optional: Mapping[str, tuple[Any, ...]] = {
        "aud": (["shop"], "shop", ["shed", "x"]),
        "azp": ("app", "apple"),
        "group": ("staff", ["x", "staff"], "st", 3, True),
        "realm": ({"roles": ["admin", "x"]}, {"roles": "admin"}, {}, "admin"),
        "scope": ("read write", "read", "reader"),
    }
    return found | {name: choose.one(*values) for name, values in optional.items() if choose.maybe(0.6)}


# -- the same for hypothesis

randoms: Final = st.randoms(use_true_random=False)
policy_sets: Final = randoms.map(policies)


def seeded(seed: int, count: int) -> Iterator[Random]:
    """So many random sources, each of its own."""
    return (Random(seed * 1000 + number) for number in range(count))
