"""Random AuthorizationPolicies and requests in a world so small that they meet: seeded, and for hypothesis.

The world: ``shop/web`` and ``shop/api`` serve HTTP (80 to 8080), gRPC (7070) and TCP (9000), and both on ports that do
not say so (5080, 5090); ``shop/client``, ``other/visitor`` and ``plain/outsider``, who has no sidecar, call them.
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
PORTS: Final = {
    "http": (80, 8080),
    "http-sniffed": (5080, 8081),
    "grpc": (7070, 7070),
    "tcp": (9000, 9000),
    "tcp-sniffed": (5090, 9001),
}
"""The service's port and the pod's, by what is spoken."""


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
    """One request of a client to a server, by what the client says.

    ``claims`` are those of its token; ``spoilt`` is what is wrong with that (``expired``, ``forged``), if anything.
    """

    kind: str
    client: Client
    server: str
    method: str = "GET"
    path: str = "/"
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Any] | None = None
    spoilt: str = ""

    @property
    def connection(self) -> bool:
        """Whether it is a plain connection."""
        return self.kind.startswith("tcp")

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
        if self.connection:
            return None
        method = GRPC_METHOD if self.kind == "grpc" else self.method
        return HttpRequest(method, self.path, self.host, tuple(self.headers.items()), self.claims)


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
TRUST_DOMAINS: Final = ("cluster.local", "cluster*", "*.local", "elsewhere.example", "*")
NAMESPACES: Final = ("shop", "other", "o*", "*p", "*", "nobody")
ACCOUNTS: Final = ("client", "other/visitor", "visitor", "shop/client")
REQUEST_PRINCIPALS: Final = ("*", "issuer.example/ann", "issuer.example/*", "*/bob", "other.example/ann")
HOSTS: Final = ("web", "web.shop", f"api.shop.{DOMAIN}", "*.shop", "web*", "WEB.shop", "web.shop:*", "*:7070", "*")
METHODS: Final = ("GET", "POST", "P*", "*T", "*", "get")
PATHS: Final = ("/a", "/a*", "*/b", "/a/{*}/b", "/a/{**}", "/{*}", "/a/b", "*", "/plait.Echo/*", "/x%20y")
PORT_WORDS: Final = ("8080", "8081", "7070", "9000", "9001", "80")
HEADER_WORDS: Final = ("ann", "an*", "*nn", "*", "Ann", "a,b")


def facets(choose: Chooser) -> Mapping[tuple[str, str], tuple[Any, ...]]:
    """Everything that a rule may ask for, by section and field (or key), with the words for it."""
    known: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
        "source": {
            "principals": PRINCIPALS,
            "namespaces": NAMESPACES,
            "trustDomains": TRUST_DOMAINS,
            "ipBlocks": choose.addresses(),
            "remoteIpBlocks": choose.addresses(),
            "requestPrincipals": REQUEST_PRINCIPALS,
            "serviceAccounts": ACCOUNTS,
        },
        "operation": {"hosts": HOSTS, "methods": METHODS, "paths": PATHS, "ports": PORT_WORDS},
        "when": {
            "request.headers[x-user]": HEADER_WORDS,
            "request.headers[X-Role]": HEADER_WORDS,
            "source.ip": choose.addresses(),
            "remote.ip": choose.addresses(),
            "source.namespace": NAMESPACES,
            "source.principal": PRINCIPALS,
            "source.serviceAccount": ACCOUNTS,
            "destination.ip": choose.destinations(),
            "destination.port": PORT_WORDS,
            "connection.sni": ("outbound_*", f"*web.shop.{DOMAIN}", "*", "nobody"),
            "request.auth.principal": REQUEST_PRINCIPALS,
            "request.auth.audiences": ("shop", "sh*", "*"),
            "request.auth.presenter": ("app", "*"),
            "request.auth.claims[group]": ("staff", "st*", "*"),
            "request.auth.claims[realm][roles]": ("admin", "*min"),
            "request.auth.claims[scope]": ("read", "write", "read write"),
        },
    }
    return {(section, name): words for section, fields in known.items() for name, words in fields.items()}


def rule(choose: Chooser) -> Manifest:
    """A rule that asks for one to three things; now and then another source or operation would do, too."""
    known = facets(choose)
    sections: dict[str, list[str]] = {"source": [], "operation": [], "when": []}
    for section, name in choose.some(*known, most=3):
        sections[section].append(name)
    found: Manifest = {}
    for section, key in (("source", "from"), ("operation", "to")):
        alternatives = _alternatives(choose, known, section, sections[section])
        if alternatives:
            found[key] = [{section: each} for each in alternatives]
    if sections["when"]:
        found["when"] = [_condition(choose, key, known["when", key]) for key in sections["when"]]
    return found


def _alternatives(
    choose: Chooser, known: Mapping[tuple[str, str], tuple[Any, ...]], section: str, names: list[str]
) -> list[Manifest]:
    if not names:
        return []
    if "serviceAccounts" in names:  # excludes principals and namespaces
        names = ["serviceAccounts"]
    found = [_fields(choose, {name: known[section, name] for name in names})]
    if choose.maybe(0.2):
        other = choose.one(*(name for place, name in known if place == section))
        found.append(_fields(choose, {other: known[section, other]}))
    return found


def _fields(choose: Chooser, words: Mapping[str, tuple[Any, ...]]) -> Manifest:
    """Each field with some of its words; now and then the negation instead, or both."""
    found: Manifest = {}
    for name, known in words.items():
        negated = f"not{name[0].upper()}{name[1:]}"
        which = choose.one(name, name, name, name, negated, "both")
        if which in {name, "both"}:
            found[name] = choose.some(*known, most=3)
        if which in {negated, "both"}:
            found[negated] = choose.some(*known)
    return found


def _condition(choose: Chooser, key: str, words: tuple[Any, ...]) -> Manifest:
    found: Manifest = {"key": key}
    which = choose.one("values", "values", "values", "notValues", "both")
    if which in {"values", "both"}:
        found["values"] = choose.some(*words, most=3)
    if which in {"notValues", "both"}:
        found["notValues"] = choose.some(*words)
    return found


def policy(choose: Chooser, number: int, *, actions: tuple[str, ...]) -> Manifest:
    namespace = choose.one(*[ROOT] * 3, *["shop"] * 9, "other")
    metadata: Manifest = {"name": f"p{number}", "namespace": namespace}
    if choose.maybe(0.1):
        metadata["annotations"] = {"istio.io/dry-run": "true"}
    spec: Manifest = {}
    action = choose.one(*actions)
    if action != "ALLOW" or choose.maybe(0.5):
        spec["action"] = action
    if action == "CUSTOM":  # of an authorizer that nobody knows, which denies
        spec["provider"] = {"name": "nobody"}
    if choose.maybe(0.5):
        spec["selector"] = {"matchLabels": {"app": choose.one(*SERVERS)}}
    if action != "ALLOW" or choose.maybe(0.95):
        spec["rules"] = [rule(choose) for _ in range(choose.one(1, 2, 2, 3))]
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": metadata,
        "spec": spec,
    }


ENFORCED: Final = (*["ALLOW"] * 12, *["DENY"] * 4, *["AUDIT"] * 2, "CUSTOM")


def policies(random: Random, world: World = NOWHERE, *, actions: tuple[str, ...] = ENFORCED) -> list[Manifest]:
    """Up to three policies, mostly of the servers."""
    choose = Chooser(random, world)
    return [policy(choose, number, actions=actions) for number in range(choose.one(1, 1, 2, 3))]


# -- calls


def calls(random: Random, count: int, world: World = NOWHERE, *, tokens: bool = False) -> list[Call]:
    """So many calls of every kind, from every client, to every server."""
    choose = Chooser(random, world)
    return [_call(choose, tokens=tokens) for _ in range(count)]


def _call(choose: Chooser, *, tokens: bool) -> Call:
    kind = choose.one("http", "http", "http", "http-sniffed", "grpc", "tcp", "tcp-sniffed")
    client, server = choose.one(*CLIENTS), choose.one(*SERVERS)
    full = f"{server}.shop.{DOMAIN}"
    if kind.startswith("tcp"):
        return Call(kind, client, server, host=full)
    headers = {"x-user": choose.one("ann", "anna", "Ann", "joann", "a,b", "")} if choose.maybe(0.5) else {}
    if choose.maybe(0.2):
        headers["x-role"] = choose.one("ann", "bob")
    claims = _claims(choose) if tokens and choose.maybe(0.5) else None
    spoilt = choose.one("", "", "", "", "expired", "forged") if claims else ""
    if kind == "grpc":
        method = choose.one("/plait.Echo/Echo", "/a/b", "/shop.Other/Call")
        return Call(kind, client, server, "POST", method, f"{full}:7070", headers, claims, spoilt)
    if choose.maybe(0.3):
        headers["x-forwarded-for"] = choose.one("192.0.2.7", "198.51.100.1, 192.0.2.8", "nonsense")
    method = choose.one("GET", "GET", "POST", "PUT", "DELETE")
    host = _host(choose, client, server, PORTS[kind][0])
    return Call(kind, client, server, method, _path(choose), host, headers, claims, spoilt)


def _path(choose: Chooser) -> str:
    plain = ("/", "/a", "/ab", "/a/b", "/a/x/b", "/a/x/y/b", "/a/", "/b", "/x/../a", "/a/./b", "/a//b", "/A", "/x%20y")
    return str(choose.one(*plain)) + str(choose.one("", "", "", "?q=1", "?/b"))


def _host(choose: Chooser, client: Client, server: str, port: int) -> str:
    # Only the names under which a client's own sidecar knows the server lead to it.
    short = (server,) if client.namespace == "shop" else ()
    known = [*short, f"{server}.shop", f"{server}.shop:{port}", f"{server}.shop.{DOMAIN}"]
    if not client.principal:
        known += ["WEB.Shop", "anything.example", "web"]
    return str(choose.one(*known))


def _claims(choose: Chooser) -> Manifest:
    found: Manifest = {
        "iss": choose.one(*["issuer.example"] * 4, "other.example", "stranger.example"),
        "sub": choose.one("ann", "bob"),
    }
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
