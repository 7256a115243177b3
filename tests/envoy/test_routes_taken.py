"""Whatever route the decoders let through, Envoy takes: one that it refused would cost a whole route table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.golden.route_case import Case
from tests.golden.test_routes import ENVOY, validated
from xds.model.problem import Severity
from xds.translators import rds
from xds.view.specs.routes import RouteSpec, RouteTable, VirtualHostSpec
from xds.wire.codec import to_plain

pytestmark = [pytest.mark.envoy, pytest.mark.skipif(ENVOY is None, reason="no Envoy is installed")]

Plain = dict[str, Any]
Taken = tuple[Plain, tuple[RouteSpec, ...]]


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Plain]:
    """A message with some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


def sometimes(usual: list[str], wild: str) -> st.SearchStrategy[str]:
    """Mostly what people write; sometimes a few characters of ``wild``."""
    return st.sampled_from(usual) | st.text(alphabet=wild, max_size=6)


paths = sometimes(["/", "/a", "/a/b", "/%41?x#y", "/ä b"], "/a%é?# \n\0\\")
hosts = sometimes(["b.example", "b.example:80", "[::1]:80", "*", "%REQ(x)%"], "ab.:/ \n%[]")
regexes = sometimes(["/[0-9]+", "(a)(b)?", ".*", "(?i)x", "a{300}"], "ab()[]{}*+?\\|^$")
header_names = sometimes(["x-a", "X-B", "Host", ":authority", ":path", "te", "connection"], "ax:- \n\té")
header_values = sometimes(["", "1", "%REQ(x)%", "100%", "100%%", "%PROTOCOL%", "ä"], "%RESP()x:3 \n\0")
percents = some(value=st.floats(0, 100))
durations = st.sampled_from(["0s", "1ms", "1.5s", "100h"])
string_matches = some(exact=header_values) | some(prefix=header_values) | some(regex=regexes)
destinations = st.fixed_dictionaries({"host": st.sampled_from(["b", "c", "d.example"])}, optional={"subset": hosts})
edits = some(
    set=st.dictionaries(header_names, header_values, max_size=2),
    add=st.dictionaries(header_names, header_values, max_size=2),
    remove=st.lists(header_names, max_size=2),
)
headers = some(request=edits, response=edits)
shares = st.lists(
    st.fixed_dictionaries(
        {"destination": destinations}, optional={"weight": st.integers(0, 2**31 - 1), "headers": headers}
    ),
    min_size=1,
    max_size=4,
)
matches = st.lists(
    some(
        uri=some(exact=paths) | some(prefix=paths) | some(regex=regexes),
        headers=st.dictionaries(header_names, string_matches, max_size=2),
        withoutHeaders=st.dictionaries(header_names, string_matches, max_size=2),
        queryParams=st.dictionaries(header_names, string_matches, max_size=2),
        method=string_matches,
        ignoreUriCase=st.booleans(),
        statPrefix=hosts,
        name=hosts,
    ),
    max_size=2,
)
answers = st.fixed_dictionaries(
    {
        "redirect": some(
            uri=paths,
            authority=hosts,
            scheme=st.sampled_from(["http", "https", "x"]),
            port=st.integers(1, 65535),
            redirectCode=st.sampled_from([301, 302, 303, 307, 308]),
        )
    }
) | st.fixed_dictionaries(
    {
        "directResponse": st.fixed_dictionaries(
            {"status": st.integers(200, 599)}, optional={"body": some(string=paths) | some(bytes=header_values)}
        )
    }
)
beside = some(
    name=hosts,
    match=matches,
    headers=headers,
    timeout=durations,
    retries=some(
        attempts=st.integers(0, 2**31 - 1),
        perTryTimeout=durations,
        retryOn=st.lists(sometimes(["5xx", "503", "reset", "unavailable"], "5x, ")).map(",".join),
        backoff=durations,
        retryIgnorePreviousHosts=st.booleans(),
        retryRemoteLocalities=st.booleans(),
    ),
    fault=some(
        delay=some(fixedDelay=durations, percentage=percents, percent=st.integers(0, 100)),
        abort=some(httpStatus=st.integers(200, 599), percentage=percents)
        | some(grpcStatus=st.sampled_from(["OK", "UNAVAILABLE", "X"]), percentage=percents),
    ),
    mirrors=st.lists(
        st.fixed_dictionaries({"destination": destinations}, optional={"percentage": percents}), max_size=2
    ),
    corsPolicy=some(
        allowOrigins=st.lists(string_matches, max_size=2),
        allowMethods=st.lists(header_names, max_size=2),
        allowHeaders=st.lists(header_names, max_size=2),
        maxAge=durations,
        allowCredentials=st.booleans(),
    ),
    rewrite=some(uri=paths, authority=hosts) | some(uriRegexRewrite=some(match=regexes, rewrite=paths)),
)
ways = st.fixed_dictionaries({"route": shares}) | answers
http_routes = st.tuples(ways, beside).map(lambda parts: {**parts[1], **parts[0]})


def case_of(http: Plain) -> Case:
    plain = {
        "kind": "VirtualService",
        "metadata": {"name": "b", "namespace": "shop"},
        "spec": {"hosts": ["b"], "http": [http]},
    }
    return Case({"given": [plain]})


@seed(1340)  # the same routes at every run, and no shrinking: what is refused is searched for by halves
@settings(
    max_examples=500, deadline=None, phases=(Phase.generate,), database=None, suppress_health_check=[*HealthCheck]
)
@given(http_routes)
def some_routes(taken: list[Taken], http: Plain) -> None:
    case = case_of(http)
    if not any(problem.severity is Severity.ERROR for problem in case.problems):
        taken.append((http, case.routes()))


def test_envoy_takes_what_decoders_let_through(tmp_path: Path) -> None:
    taken: list[Taken] = []
    some_routes(taken)
    assert len(taken) > 50
    assert refused(taken, tmp_path) == []


def refused(taken: list[Taken], folder: Path) -> list[tuple[Plain, str]]:
    """Those that Envoy refuses, with what it says."""
    hosts = tuple(VirtualHostSpec("t", f"{i}", (f"host-{i}",), routes) for i, (_, routes) in enumerate(taken))
    why = validated(to_plain(rds.route_configuration(RouteTable("t", hosts))), folder)
    if not why:
        return []
    if len(taken) == 1:
        return [(taken[0][0], why)]
    half = len(taken) // 2
    return refused(taken[:half], folder) + refused(taken[half:], folder)
