"""What holds of every verdict, whatever the policies and the request are."""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings

from tests.authz_cases import NOWHERE, ROOT, SERVERS, Manifest, calls, policies, randoms
from tests.objects import applied, made
from xds.decoders.build import Builder
from xds.explain.verdict import Guard, Outcome, Stage, guard, verdict
from xds.model.labels import labels
from xds.model.security import TLS_MODE_ISTIO, TLS_MODE_LABEL
from xds.view.graph import Graph, call


def guards(manifests: list[Manifest]) -> dict[str, Guard]:
    builder = Builder()
    change = applied(builder, map(made, manifests))
    graph = Graph(change.snapshot)
    own = {name: labels({"app": name, TLS_MODE_LABEL: TLS_MODE_ISTIO}) for name in SERVERS}
    return {name: graph.get(call(guard, "shop", of)) for name, of in own.items()}


def everywhere(name: str, **spec: Any) -> Manifest:
    kind = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy"}
    return {**kind, "metadata": {"name": name, "namespace": ROOT}, "spec": spec}


@settings(max_examples=60, deadline=None)
@given(randoms)
def test_verdicts(random: Random) -> None:
    stated = policies(random)
    plain = guards(stated)
    denying = guards([*stated, everywhere("deny", action="DENY", rules=[{}])])
    closed = guards([*stated, everywhere("closed")])
    audited = guards([*stated, everywhere("audit", action="AUDIT", rules=[{}])])
    tried = guards([*stated, everywhere("tried") | {"metadata": dry("tried")}])
    for each in calls(random, 10, tokens=True):
        request = each.request(NOWHERE)
        found = verdict(plain[each.server], request)
        assert found.allowed == (found.status in {0, 200} and found.outcome is not Outcome.DENIED)
        assert found.because
        if found.stage is Stage.DENY:
            assert found.policy is not None
        assert not verdict(denying[each.server], request).allowed
        # An ALLOW without rules takes away what was allowed for want of one, and nothing else.
        by_policy = found.outcome is Outcome.ALLOWED and found.policy is not None
        assert (verdict(closed[each.server], request).outcome is Outcome.ALLOWED) == by_policy
        assert verdict(audited[each.server], request).outcome is found.outcome
        on_trial = verdict(tried[each.server], request)
        assert on_trial.outcome is found.outcome
        assert on_trial.enforced is not None


def dry(name: str) -> Manifest:
    return {"name": name, "namespace": ROOT, "annotations": {"istio.io/dry-run": "true"}}


def test_the_generator_is_the_same_for_the_same_seed() -> None:
    assert policies(Random(7)) == policies(Random(7))
    assert calls(Random(7), 20) == calls(Random(7), 20)
