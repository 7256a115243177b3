"""How a proxy may be named."""

from __future__ import annotations

import pytest

from xds.cli.failure import Failure
from xds.cli.target import Candidate, choose

REVIEWS_1 = Candidate("shop", "reviews-v1-7c9f4d8b5x-x2x4q", "reviews-v1", "Deployment")
REVIEWS_2 = Candidate("shop", "reviews-v1-7c9f4d8b5x-z9z9z", "reviews-v1", "Deployment")
DB = Candidate("shop", "db-0", "db", "StatefulSet")
CLIENT = Candidate("shop", "client")
OTHER_CLIENT = Candidate("test", "client")
DEFAULT_WEB = Candidate("default", "web")
OTHER_WEB = Candidate("test", "web")
ALL = (REVIEWS_2, REVIEWS_1, DB, CLIENT, OTHER_CLIENT, DEFAULT_WEB, OTHER_WEB)


@pytest.mark.parametrize(
    ("target", "namespace", "meant"),
    [
        ("db-0", "", DB),
        ("db-0.shop", "", DB),
        ("db-0/shop", "", DB),
        ("pod/db-0", "shop", DB),
        ("sts/db", "", DB),
        ("deploy/reviews-v1", "", REVIEWS_1),
        ("deployment/reviews-v1.shop", "", REVIEWS_1),
        ("deployments.apps/reviews-v1", "shop", REVIEWS_1),
        ("client", "test", OTHER_CLIENT),
        ("client.shop", "", CLIENT),
        ("web", "", DEFAULT_WEB),
    ],
)
def test_names(target: str, namespace: str, meant: Candidate) -> None:
    assert choose(target, namespace, ALL) == meant


@pytest.mark.parametrize(
    ("target", "namespace", "message"),
    [
        ("client", "", "'client' is in several namespaces, say which with -n: shop, test"),
        ("reviews-v2", "", "no 'reviews-v2' is running; did you mean: "),
        ("db-0", "test", "no 'db-0' is running in namespace test; did you mean: db-0.shop"),
        ("sts/reviews-v1", "", "no 'sts/reviews-v1' is running"),
        ("qqq", "", "there are: "),
    ],
)
def test_what_cannot_be_meant(target: str, namespace: str, message: str) -> None:
    with pytest.raises(Failure, match=r".") as caught:
        choose(target, namespace, ALL)
    assert message in str(caught.value)


def test_of_a_proxy_whose_workload_nobody_knows_the_name_tells_it() -> None:
    bare = Candidate("shop", "reviews-v1-7c9f4d8b5x-x2x4q")
    assert choose("deploy/reviews-v1", "shop", [bare]) == bare


def test_where_nothing_runs() -> None:
    with pytest.raises(Failure, match="no 'web' is running; nothing is"):
        choose("web", "", [])
