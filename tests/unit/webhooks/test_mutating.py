"""New pods, with their sidecars."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from tests.unit.webhooks.reviews import body
from xds.events import Event
from xds.webhooks.inject import InjectionSettings
from xds.webhooks.mutating import mutating
from xds.webhooks.review import Answer, decode


def pod(**annotations: str) -> dict[str, Any]:
    metadata = {"generateName": "web-", "annotations": annotations, "labels": {"app": "web"}}
    spec = {"containers": [{"name": "app", "image": "app"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def answered(plain: dict[str, Any] | None, pairs: dict[str, str] | None = None, **request: Any) -> Answer:
    answer = mutating(InjectionSettings)
    return answer(decode(body(plain, **{"namespace": "shop", **request}), pairs or {}))


def test_a_new_pod_gets_its_sidecar() -> None:
    with capture_logs() as logs:
        answer = answered(pod())
    assert answer.allowed
    assert "istio-proxy" in str(answer.patch)
    assert [(each["event"], each["pod"]) for each in logs] == [(Event.SIDECAR_INJECTED, "shop/web-")]


def test_a_dry_run_is_not_logged() -> None:
    with capture_logs() as logs:
        assert answered(pod(), dryRun=True).patch
    assert logs == []


def test_what_is_not_meant_stays_as_it_is() -> None:
    assert answered(pod(), operation="DELETE") == Answer()
    assert answered(pod(), operation="UPDATE") == Answer()
    assert answered(pod(), subResource="eviction") == Answer()
    assert answered({**pod(), "kind": "Deployment"}) == Answer()
    assert answered(pod(), namespace="kube-system") == Answer()


def test_what_asks_wrongly_is_denied() -> None:
    answer = answered(pod(**{"sidecar.istio.io/proxyCPU": "much"}))
    assert (answer.allowed, answer.code, answer.reason) == (False, 422, "Invalid")
    assert "sidecar.istio.io/proxyCPU" in answer.message


def test_the_path_says_the_cluster_and_the_network() -> None:
    answer = answered(pod(), {"cluster": "west/1", "net": "n2", "X": "y"})
    assert "west/1" in str(answer.patch)
    assert "n2" in str(answer.patch)
    assert answer.warnings == ("/X/y in the path of the injection webhook is not read and has no effect",)
