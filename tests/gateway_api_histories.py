"""Random objects of the Gateway API, right and wrong, in the small world of ``histories``."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

GROUP = "gateway.networking.k8s.io"
Plain = dict[str, Any]
NAMES = ("web", "db", "old")

names = st.sampled_from(NAMES)
namespaces = st.sampled_from(["a", "b"])
hostnames = st.sampled_from(["x.test", "y.test", "*.test", "*.x.test", "*.com"])
STAMPS = st.sampled_from(["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"])
parts = st.sampled_from(["", "/", "/a", "/a/", "/a/b", "a", "/a?b", "[", "\x00", "/é", "%", "\\1"])


@st.composite
def _object(draw: st.DrawFn, kind: str, spec: st.SearchStrategy[Plain]) -> Plain:
    metadata = {"namespace": draw(namespaces), "name": draw(names), "creationTimestamp": draw(STAMPS)}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, "spec": draw(spec)}


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Plain]:
    """Objects with some of those fields."""
    return st.fixed_dictionaries({}, optional=fields)


def few(of: st.SearchStrategy[Any], at_most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=at_most)


_services = st.fixed_dictionaries(
    {"name": names},
    optional={
        "namespace": namespaces,
        "port": st.sampled_from([80, 81, 70, 8080]),
        "kind": st.sampled_from(["Service", "Service", "Moon"]),
        "weight": st.integers(0, 3),
    },
)
_headers = few(st.fixed_dictionaries({"name": st.sampled_from(["x", "X", "host", ":path", " "]), "value": parts}))
_modifiers = some(set=_headers, add=_headers, remove=few(st.sampled_from(["x", "host"])))
_paths = st.fixed_dictionaries(
    {"type": st.sampled_from(["ReplaceFullPath", "ReplacePrefixMatch", "Moon"])},
    optional={"replaceFullPath": parts, "replacePrefixMatch": parts},
)
_redirects = some(
    scheme=st.sampled_from(["http", "https", "gopher"]),
    hostname=st.sampled_from(["x.test", "x y", ""]),
    path=_paths,
    port=st.sampled_from([80, 8443]),
    statusCode=st.sampled_from([301, 302, 303, 304]),
)
_mirrors = st.fixed_dictionaries(
    {"backendRef": _services},
    optional={
        "percent": st.integers(0, 100),
        "fraction": st.fixed_dictionaries(
            {"numerator": st.integers(0, 9)}, optional={"denominator": st.integers(0, 9)}
        ),
    },
)
_cors = some(
    allowOrigins=few(st.sampled_from(["*", "https://x.test", "https://*.x.test", " "])),
    allowMethods=few(st.sampled_from(["GET", "*", "a b"])),
    allowCredentials=st.booleans(),
    maxAge=st.integers(0, 5),
)
_filters = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                *("RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "URLRewrite", "RequestMirror"),
                *("CORS", "ExtensionRef", "Moon"),
            ]
        )
    },
    optional={
        "requestHeaderModifier": _modifiers,
        "responseHeaderModifier": _modifiers,
        "requestRedirect": _redirects,
        "urlRewrite": some(hostname=st.sampled_from(["x.test", ""]), path=_paths),
        "requestMirror": _mirrors,
        "cors": _cors,
    },
)
_backends = st.tuples(_services, few(_filters, 1)).map(lambda both: {**both[0], "filters": both[1]})
_named = few(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["x", "X", " "]), "value": parts},
        optional={"type": st.sampled_from(["Exact", "RegularExpression", "Moon"])},
    )
)
_matches = some(
    path=some(type=st.sampled_from(["Exact", "PathPrefix", "RegularExpression", "Moon"]), value=parts),
    headers=_named,
    queryParams=_named,
    method=st.sampled_from(["GET", "POST", "a b"]),
)
_times = st.sampled_from(["0s", "100ms", "2s"])
_rules = some(
    name=names,
    matches=few(_matches),
    filters=few(_filters),
    backendRefs=few(_backends),
    timeouts=some(request=_times, backendRequest=_times),
    retry=some(codes=few(st.integers(100, 700)), attempts=st.integers(0, 3), backoff=_times),
)
_calls = some(
    matches=few(
        some(method=some(type=st.sampled_from(["Exact", "RegularExpression", "Moon"]), service=parts, method=parts))
    ),
    filters=few(_filters),
    backendRefs=few(_backends),
)
_parents = few(
    st.fixed_dictionaries(
        {"name": names},
        optional={
            "namespace": namespaces,
            "sectionName": st.sampled_from(["one", "two"]),
            "port": st.sampled_from([80, 81, 443]),
        },
    ).flatmap(
        lambda plain: st.sampled_from(
            [plain, {**plain, "group": "", "kind": "Service"}, {**plain, "kind": "ListenerSet"}]
        )
    ),
    3,
)
_connection_rules = few(some(backendRefs=few(_services)))
_certificates = few(st.fixed_dictionaries({"name": names}, optional={"namespace": namespaces}), 1)
_listeners = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["one", "two"]),
        "port": st.sampled_from([80, 81, 443, 15021]),
        "protocol": st.sampled_from(["HTTP", "HTTP", "HTTPS", "TLS", "TCP", "UDP"]),
    },
    optional={
        "hostname": hostnames,
        "tls": some(mode=st.sampled_from(["Terminate", "Passthrough", "Moon"]), certificateRefs=_certificates),
        "allowedRoutes": some(
            kinds=few(st.fixed_dictionaries({"kind": st.sampled_from(["HTTPRoute", "TLSRoute", "Moon"])})),
            namespaces=some(**{"from": st.sampled_from(["All", "Same", "Selector", "None"])}),
        ),
    },
)
_authorities = few(
    st.fixed_dictionaries({"group": st.just(""), "kind": st.sampled_from(["ConfigMap", "Moon"]), "name": names})
)
_validation = st.fixed_dictionaries(
    {"hostname": st.just("x.test")},
    optional={"caCertificateRefs": _authorities, "wellKnownCACertificates": st.sampled_from(["System", "Moon"])},
)
_targets = few(
    st.fixed_dictionaries(
        {"group": st.just(""), "kind": st.sampled_from(["Service", "Moon"]), "name": names},
        optional={"sectionName": st.sampled_from(["http", "tcp"])},
    )
)
_froms = st.fixed_dictionaries(
    {"group": st.just(GROUP), "kind": st.sampled_from(["HTTPRoute", "Gateway"]), "namespace": namespaces}
)
_tos = st.fixed_dictionaries(
    {"group": st.just(""), "kind": st.sampled_from(["Service", "Secret"])}, optional={"name": names}
)


def _class() -> st.SearchStrategy[Plain]:
    controller = st.sampled_from(["plait.dev/gateway-controller", "plait.dev/gateway-controller", "else/x"])
    head = {"apiVersion": f"{GROUP}/v1", "kind": "GatewayClass", "metadata": {"name": "plait"}}
    return controller.map(lambda name: {**head, "spec": {"controllerName": name}})


def _config_map() -> st.SearchStrategy[Plain]:
    texts = st.sampled_from(["nonsense", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"])
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    return st.tuples(names, namespaces, texts).map(
        lambda three: {**head, "metadata": {"name": three[0], "namespace": three[1]}, "data": {"ca.crt": three[2]}}
    )


_route = {"parentRefs": _parents, "hostnames": few(hostnames)}
gateway_objects = st.one_of(
    _class(),
    _object(
        "Gateway",
        st.fixed_dictionaries(
            {"gatewayClassName": st.just("plait"), "listeners": few(_listeners, 3)},
            optional={
                "allowedListeners": some(namespaces=some(**{"from": st.sampled_from(["All", "Same", "None"])})),
                "tls": some(
                    backend=some(clientCertificateRef=st.fixed_dictionaries({"name": names})),
                    frontend=some(default=some(validation=some(caCertificateRefs=_authorities))),
                ),
            },
        ),
    ),
    _object(
        "ListenerSet",
        st.fixed_dictionaries(
            {
                "parentRef": st.fixed_dictionaries({"name": names}, optional={"namespace": namespaces}),
                "listeners": few(_listeners, 3),
            }
        ),
    ),
    _object("HTTPRoute", some(**_route, rules=few(_rules))),
    _object("HTTPRoute", some(**_route, rules=few(_rules))),
    _object("GRPCRoute", some(**_route, rules=few(_calls))),
    _object("TLSRoute", some(**_route, rules=_connection_rules)),
    _object("TCPRoute", some(parentRefs=_parents, rules=_connection_rules)),
    _object("ReferenceGrant", st.fixed_dictionaries({"from": few(_froms), "to": few(_tos)})),
    _object("BackendTLSPolicy", st.fixed_dictionaries({"targetRefs": _targets, "validation": _validation})),
    _config_map(),
)
