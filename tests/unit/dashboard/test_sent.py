"""Routes as people read them."""

from __future__ import annotations

from typing import Any

import pytest

from xds.admin.status import KnownObject, SentResource
from xds.dashboard.sent import objects_behind, of_host, routes_of
from xds.model.refs import ObjectRef

HOST = "web.shop.svc.cluster.local"
SERVICE = ObjectRef("", "Service", "shop", "web")
ROUTE = ObjectRef("networking.istio.io", "VirtualService", "shop", "web")
POD = ObjectRef("", "Pod", "shop", "web-1")


def sent(kind: str, name: str, *by: ObjectRef, **message: Any) -> SentResource:
    return SentResource(kind, name, "1", [KnownObject(ref) for ref in by], lambda: message)


def test_what_is_of_a_host() -> None:
    own = [sent("cds", f"outbound|80|v1|{HOST}"), sent("eds", f"outbound|80||{HOST}"), sent("vhds", f"80/{HOST}:80")]
    others = [sent("cds", f"outbound|80||x{HOST}"), sent("lds", HOST), sent("vhds", "80/allow_any")]
    assert of_host([*own, *others], HOST) == own


def test_objects_without_the_service_and_its_pods() -> None:
    found = objects_behind([sent("vhds", "x", SERVICE, ROUTE), sent("cds", "y", SERVICE, ROUTE, POD)], SERVICE)
    assert [(each["object"], each["types"]) for each in found] == [("VirtualService shop/web", ["cds", "vhds"])]


ANY = {"prefix": "/"}
LIKE = {"safe_regex": {"regex": "a+"}}


@pytest.mark.parametrize(
    ("match", "spelled"),
    [
        ({"path": "/a"}, "/a"),
        ({"path_separated_prefix": "/a"}, "/a and below"),
        (LIKE, "path like a+"),
        ({**ANY, "headers": [{"name": "x", "string_match": {"exact": "1"}}]}, "/*, x = 1"),
        ({**ANY, "headers": [{"name": "x", "present_match": True, "invert_match": True}]}, "/*, not x is there"),
        ({**ANY, "query_parameters": [{"name": "q", "string_match": LIKE}]}, "/*, q like a+"),
    ],
)
def test_matches(match: dict[str, Any], spelled: str) -> None:
    route = {"match": match, "route": {"cluster": "outbound|80||a"}}
    assert routes_of([sent("vhds", "80/a:80", routes=[route])])[0]["matches"] == spelled


@pytest.mark.parametrize(
    ("route", "spelled"),
    [
        ({"route": {"cluster": "outbound|80|v2|a"}}, ["a:80 subset v2"]),
        ({"route": {"cluster": "PassthroughCluster"}}, ["PassthroughCluster"]),
        ({"redirect": {}}, ["redirect"]),
        ({"direct_response": {"status": 503}}, ["answer 503"]),
        (
            {"route": {"weighted_clusters": {"clusters": [{"name": "a", "weight": 1}, {"name": "b", "weight": 3}]}}},
            ["25% a", "75% b"],
        ),
    ],
)
def test_where_it_goes(route: dict[str, Any], spelled: list[str]) -> None:
    assert routes_of([sent("vhds", "80/a:80", routes=[route])])[0]["to"] == spelled
