"""The promise of thirty seconds: the place of an answer is found by names alone, from the top of the tree."""

from __future__ import annotations

from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("question", "path", "name"),
    [
        ("How do retries work?", "xds/translators/retries/policy.py", "class RetryPolicy"),
        ("Why was a retries block refused?", "xds/translators/retries/decode.py", "reading.error("),
        ("What does Envoy get for retries?", "xds/translators/retries/envoy.py", "def route_action("),
        ("In which order do HTTP filters stand?", "xds/translators/phases.py", "class Phase"),
        ("How are clusters named?", "xds/view/names.py", "def outbound_cluster("),
        ("Who sees a service?", "xds/view/scope.py", "def visible("),
        ("Which of two policies wins?", "xds/view/attach.py", "def rule("),
        ("Why did delta send a removal?", "xds/server/delta.py", "take_removals("),
        ("Does the injector give a pod a sidecar?", "xds/model/injection.py", "def decide("),
        ("Where are the rules of interception made?", "xds/model/interception.py", "def rules("),
        ("Where does the injector add containers?", "xds/webhooks/inject/inject.py", "def inject("),
        ("What is in the sidecar's container?", "xds/webhooks/inject/proxy.py", "def container("),
        ("Why was an object refused when it was applied?", "xds/webhooks/validate.py", "def validate("),
        ("What writes status?", "xds/controllers/status.py", "class StatusWriter"),
        ("Which of several control planes leads?", "xds/controllers/leader_election.py", "class LeaderElection"),
        ("Which RBAC rules does the control plane need?", "xds/install/access.py", "def cluster_role("),
        ("Which values can be chosen when it is installed?", "xds/install/values.py", "class Values"),
        ("Which kinds of a cluster are read?", "xds/sources/kube_kinds.py", "def watched_kinds("),
        ("What becomes of a watch that breaks?", "xds/sources/kube_watch.py", "class KindWatch"),
        ("What does a CRD refuse?", "xds/kinds/crds/rules.py", "def rules("),
    ],
)
def test_the_answer_is_where_its_name_says(question: str, path: str, name: str) -> None:
    file = _ROOT / path
    assert file.is_file(), question
    assert name in file.read_text(), question
