"""``plait wait`` against a server that answers like a control plane."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.unit.cli.scripted import scripted
from xds.cli.control_plane import ControlPlane
from xds.cli.failure import Failure, Unreachable
from xds.cli.object_names import named
from xds.cli.output import Output
from xds.cli.plait import app
from xds.cli.wait import Waiting, standing
from xds.model.refs import ObjectRef


def answer(live: int = 2, total: int = 2, **other: Any) -> dict[str, Any]:
    known = {"object": "VirtualService shop/reviews", "found": True, "generation": 3, "served": True, "checked": True}
    return {**known, "live": live, "total": total, "behind": [], "rejections": [], "problems": [], **other}


def wait(*answers: object, more: tuple[str, ...] = (), history: tuple[object, ...] = ()) -> Result:
    with scripted({"/debug/live": answers, "/debug/history": history}) as where:
        return CliRunner().invoke(app(), ["wait", "vs/reviews.shop", "--http", where, *more])


def test_it_returns_when_all_proxies_have_it() -> None:
    begun = answer(0, served=False)
    result = wait(answer(found=False), begun, answer(1, behind=["web-0.shop"]), answer())
    assert result.exit_code == 0, result.output
    assert "VirtualService shop/reviews (generation 3) is live on 2 of 2 proxies (waited" in result.stdout


def test_a_share_is_enough_where_it_is_said() -> None:
    assert wait(answer(9, 10), more=("--proxies", "90%")).exit_code == 0
    assert wait(answer(9, 10), more=("--threshold", "0.9")).exit_code == 0
    late = wait(answer(8, 10, behind=["a.shop", "b.shop"]), more=("--proxies", "90%", "--timeout", "0s"))
    assert late.exit_code == 1
    assert "is live on 8 of 10 proxies; not on a.shop, b.shop; given up after 0s" in late.stderr


def test_nobody_needs_it() -> None:
    result = wait(answer(0, 0))
    assert result.exit_code == 0
    assert "no connected proxy needs anything of it" in result.stdout
    warning = {"level": "warning", "field": "spec.gateways[0]", "message": "there is no such", "code": "a.b"}
    assert "of it; spec.gateways[0]: there is no such [a.b]" in wait(answer(0, 0, problems=[warning])).stdout


def test_an_older_generation_is_not_it() -> None:
    result = wait(answer(), more=("--generation", "4", "--timeout", "0s"))
    assert result.exit_code == 1
    assert "is known in generation 3, not yet in 4" in result.stderr
    assert wait(answer(), answer(generation=4), more=("--generation", "4")).exit_code == 0


def test_what_is_wrong_or_refused_never_gets_there() -> None:
    problem = {"level": "error", "field": "spec.hosts", "message": "must be there", "code": "host.missing"}
    wrong = wait(answer(problems=[{**problem, "level": "warning"}, problem]))
    assert wrong.exit_code == 1
    assert "is wrong: spec.hosts: must be there [host.missing]" in wrong.stderr
    refused = wait(answer(1, rejections=[{"proxy": "web-0.shop", "reason": "bad route", "resource": "80"}]))
    assert refused.exit_code == 1
    assert "is live on 1 of 2 proxies; web-0.shop refused 80: bad route" in refused.stderr


def test_until_it_is_gone() -> None:
    gone = answer(0, 0, found=False)
    first = {"generation": 7, "waiting": {"7": 1}, "generations": []}
    later = {"generation": 8, "waiting": {"8": 1}, "generations": []}
    result = wait(answer(), gone, history=(first, later), more=("--for", "gone"))
    assert result.exit_code == 0, result.output
    assert "is gone, and no proxy has it" in result.stdout


def test_json_says_it_all() -> None:
    result = wait(answer(1, behind=["a.shop"]), more=("-o", "json", "--timeout", "0s"))
    assert result.exit_code == 1
    known = json.loads(result.stdout)
    assert (known["live"], known["total"], known["behind"], known["done"]) == (1, 2, ["a.shop"], False)


@pytest.mark.parametrize("share", ["5", "101%", "-1%", "half", "nan%"])
def test_what_is_no_share(share: str) -> None:
    assert wait(answer(), more=("--proxies", share)).exit_code == 2


def test_replicas_together() -> None:
    both = standing({"a": answer(1, 2, generation=2, behind=["x.shop"]), "b": answer(3, 3, served=False)})
    assert (both.live, both.total, both.generation, both.ready, both.behind) == (4, 5, 2, False, ("x.shop",))


def test_how_objects_are_named() -> None:
    ref = ObjectRef("networking.istio.io", "VirtualService", "shop", "reviews")
    for words in (
        ["vs/reviews.shop"],
        ["VirtualService", "reviews.shop"],
        ["virtualservices.networking.istio.io/reviews.shop"],
    ):
        assert named(words, "").ref == ref
    assert named(["vs/reviews"], "shop").ref == ref
    assert named(["vs/a.b"], "shop").ref.name == "a.b"
    assert named(["vs/reviews"], "").ref.namespace == "default"
    for bad in (["reviews"], ["vs"], ["nonsense/x"], ["vs/a/b"], ["vs/"]):
        with pytest.raises(Failure):
            named(bad, "")


class Replica:
    """Pages of one that answers, or not."""

    def __init__(self, name: str, told: dict[str, Any] | None) -> None:
        self.name = name
        self._told = told

    def get(self, path: str) -> tuple[int, bytes]:
        if self._told is None:
            raise Unreachable(f"{self.name} does not answer")
        return 200, json.dumps(self._told).encode()

    def post(self, path: str) -> tuple[int, bytes]:
        raise AssertionError(path)


def test_a_replica_that_does_not_answer_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    both = ControlPlane((Replica("a", None), Replica("b", answer(1, behind=["x.shop"]))))
    waiting = Waiting(both, named(["vs/reviews.shop"], ""), timedelta(seconds=0.5))
    with pytest.raises(typer.Exit):
        waiting.live(100, 0, Output.TABLE)
    told = capsys.readouterr()
    assert told.err.count("a does not answer") == 1
    assert "is live on 1 of 2 proxies; not on x.shop; given up after 0.5s" in told.err
