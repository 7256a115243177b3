"""AuthorizationPolicies for tests: as users write them, read; random ones that are right, and garbage."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tests.objects import HERE, applied
from xds.api.envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from xds.decoders.build import Builder
from xds.decoders.shape.decode import decode_object
from xds.model.labels import NO_LABELS
from xds.model.problem import Problem
from xds.model.refs import ObjectRef
from xds.model.security import AttachedPolicy
from xds.model.snapshot import Table
from xds.translators.authorization.policy import Authorization, PolicyRules
from xds.translators.ecds import filter_config
from xds.view.filters import filters
from xds.view.graph import Graph, call

Plain = dict[str, Any]

REF: Final = ObjectRef("security.istio.io", "AuthorizationPolicy", "shop", "p")
MESH: Final[Plain] = {
    "apiVersion": "mesh.istio.io/v1alpha1",
    "kind": "MeshConfig",
    "metadata": {"name": "default", "namespace": "istio-system"},
    "spec": {
        "trustDomainAliases": ["old.example"],
        "extensionProviders": [
            {"name": "http", "envoyExtAuthzHttp": {"service": "a.auth.svc.cluster.local", "port": 80}},
            {"name": "grpc", "envoyExtAuthzGrpc": {"service": "b.auth.svc.cluster.local", "port": 81}},
        ],
    },
}


def policy(spec: object, name: str = REF.name, *, dry_run: str | None = None) -> Plain:
    """The manifest of a policy of namespace shop."""
    annotations = {"istio.io/dry-run": dry_run} if dry_run is not None else {}
    metadata = {"name": name, "namespace": REF.namespace, "annotations": annotations}
    return {"apiVersion": "security.istio.io/v1", "kind": REF.kind, "metadata": metadata, "spec": spec}


def build(*manifests: Plain) -> tuple[Graph, list[Problem]]:
    """The mesh that these manifests make, and what is wrong with them."""
    decoded = [decode_object(plain, HERE) for plain in manifests]
    builder = Builder()
    change = applied(builder, [each for one in decoded for each in one.objects])
    found = [problem for one in decoded for problem in one.problems]
    return Graph(change.snapshot), [*found, *builder.problems]


def read(spec: object, *, dry_run: str | None = None) -> tuple[PolicyRules | None, list[str]]:
    """The policy, None when it has an error; and the findings: field below ``spec``, and code."""
    graph, problems = build(policy(spec, dry_run=dry_run))
    attached: AttachedPolicy | None = next(iter(graph.snapshot.rows(Table.POLICY, REF)), None)
    found = attached.policies.get(Authorization) if attached is not None else None
    texts = [f"{each.at.dotted.removeprefix('spec.')} {each.code}" for each in problems]
    return (found.policies[0] if found is not None else None), texts


def translated(graph: Graph) -> dict[tuple[str, bool], TypedExtensionConfig]:
    """The filters of shop's workloads, by the slot's name and whether the chain is TCP."""
    specs = graph.get(call(filters, "shop", NO_LABELS))
    return {(spec.slot.value, spec.tcp): filter_config(spec) for spec in specs}


# -- random policies

_WORD: Final = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True)


def _pattern(word: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(word, word.map(lambda text: f"{text}*"), word.map(lambda text: f"*{text}"), st.just("*"))


_ANY: Final = _pattern(st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=1, max_size=12))
_SEGMENT: Final = st.one_of(_WORD, st.just("{*}"))
_TEMPLATE: Final = st.builds(
    lambda before, deep, after, slash: "/" + "/".join([*before, "{*}", *deep, *after]) + slash,
    st.lists(_SEGMENT, max_size=3),
    st.sampled_from([[], ["{**}"]]),
    st.lists(st.text("abz09-._~%!$&'()+,;:@=", min_size=1, max_size=4), max_size=2),
    st.sampled_from(["", "/"]),
)
_ADDRESS: Final = st.one_of(
    st.ip_addresses().map(str),
    st.builds("{}/{}".format, st.ip_addresses(v=4), st.integers(0, 32)),
    st.builds("{}/{}".format, st.ip_addresses(v=6), st.integers(0, 128)),
)
_PORT: Final = st.integers(1, 65535).map(str)
_PRINCIPAL: Final = _pattern(st.builds("{}/ns/{}/sa/{}".format, _WORD, _WORD, _WORD))
_ACCOUNT: Final = st.one_of(_WORD, st.builds("{}/{}".format, _WORD, _WORD))
_OF_SOURCE: Final = {
    "principals": _PRINCIPAL,
    "requestPrincipals": _ANY,
    "namespaces": _pattern(_WORD),
    "trustDomains": _pattern(_WORD),
    "ipBlocks": _ADDRESS,
    "remoteIpBlocks": _ADDRESS,
}
_OF_OPERATION: Final = {"hosts": _ANY, "ports": _PORT, "methods": _ANY, "paths": st.one_of(_TEMPLATE, _pattern(_WORD))}
_KEYS: Final = {
    "source.ip": _ADDRESS,
    "remote.ip": _ADDRESS,
    "source.namespace": _pattern(_WORD),
    "source.principal": _PRINCIPAL,
    "source.serviceAccount": _ACCOUNT,
    "source.trustDomain": _pattern(_WORD),
    "request.auth.principal": _ANY,
    "request.auth.audiences": _ANY,
    "request.auth.presenter": _ANY,
    "request.auth.claims[a]": _ANY,
    "request.auth.claims[a][b.c/d]": _ANY,
    "request.headers[X-User]": _ANY,
    "request.headers[:authority]": _ANY,
    "destination.ip": _ADDRESS,
    "destination.port": _PORT,
    "connection.sni": _ANY,
    "experimental.envoy.filters.network.mysql_proxy[a.b]": _ANY,
}


def _fields(fields: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Plain]:
    every = dict(fields) | {f"not{name[0].upper()}{name[1:]}": values for name, values in fields.items()}
    lists = {name: st.lists(values, min_size=1, max_size=3) for name, values in every.items()}
    return st.fixed_dictionaries({}, optional=lists).filter(bool)


def _condition(key: str) -> st.SearchStrategy[Plain]:
    values = st.lists(_KEYS[key], min_size=1, max_size=3)
    return st.fixed_dictionaries({"key": st.just(key)}, optional={"values": values, "notValues": values}).filter(
        lambda each: len(each) > 1
    )


_ACCOUNTS: Final = st.fixed_dictionaries({"serviceAccounts": st.lists(_ACCOUNT, min_size=1, max_size=2)})
_SOURCES: Final = st.lists(
    st.one_of(_fields(_OF_SOURCE), _ACCOUNTS).map(lambda source: {"source": source}), min_size=1, max_size=2
)
_OPERATIONS: Final = st.lists(
    _fields(_OF_OPERATION).map(lambda operation: {"operation": operation}), min_size=1, max_size=2
)
_RULE: Final = st.fixed_dictionaries(
    {},
    optional={
        "from": _SOURCES,
        "to": _OPERATIONS,
        "when": st.lists(st.sampled_from(sorted(_KEYS)).flatmap(_condition), max_size=3),
    },
)
_ACTION: Final = st.one_of(
    st.sampled_from(["ALLOW", "DENY", "AUDIT"]).map(lambda action: {"action": action}),
    st.sampled_from(["http", "grpc", "nobody"]).map(lambda name: {"action": "CUSTOM", "provider": {"name": name}}),
)
SPECS: Final = st.builds(lambda action, rules: {**action, "rules": rules}, _ACTION, st.lists(_RULE, max_size=3))


@st.composite
def policies(draw: st.DrawFn, largest: int = 4) -> list[Plain]:
    """Manifests of policies in which nothing is wrong."""
    specs = draw(st.lists(SPECS, min_size=1, max_size=largest))
    trials = st.sampled_from([None, "true", "false"])
    return [policy(spec, f"p{index}", dry_run=draw(trials)) for index, spec in enumerate(specs)]


# -- garbage

_JSON: Final = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.sampled_from(["*", "{*}", "", "/{", "a/"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
_TEXTS: Final = st.lists(
    st.one_of(st.text(max_size=8), st.text("*{}/.:a1%[]\\", max_size=10), st.sampled_from(sorted(_KEYS)), _JSON),
    max_size=3,
)


def _wrong(fields: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[Any]:
    names = [*fields, *(f"not{name[0].upper()}{name[1:]}" for name in fields), "serviceAccounts"]
    return st.one_of(st.dictionaries(st.sampled_from(names), _TEXTS, max_size=3), _JSON)


_KEY: Final = st.one_of(
    st.sampled_from(sorted(_KEYS)),
    st.from_regex(r"(request|source|experimental)\.[a-z.]*(\[.*\])*"),
    st.text(max_size=9),
)
_WRONG_RULE: Final = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.fixed_dictionaries({}, optional={"source": _wrong(_OF_SOURCE)}), max_size=2),
        "to": st.lists(st.fixed_dictionaries({}, optional={"operation": _wrong(_OF_OPERATION)}), max_size=2),
        "when": st.lists(
            st.fixed_dictionaries({}, optional={"key": _KEY, "values": _TEXTS, "notValues": _TEXTS}), max_size=2
        ),
    },
)
GARBAGE: Final = st.one_of(
    _JSON,
    st.fixed_dictionaries(
        {},
        optional={
            "action": st.one_of(st.sampled_from(["ALLOW", "DENY", "AUDIT", "CUSTOM"]), _JSON),
            "provider": st.one_of(st.fixed_dictionaries({"name": st.text(max_size=4)}), _JSON),
            "selector": _JSON,
            "targetRefs": _JSON,
            "rules": st.lists(st.one_of(_WRONG_RULE, _JSON), max_size=2),
        },
    ),
)
