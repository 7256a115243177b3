"""Webhooks in a thread with an event loop of its own, and the objects by which an API server calls them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from ca.authority import Authority
from ca.issuer import self_signed
from xds.admin.listen import listen
from xds.decoders.build import Builder
from xds.identity.own_certificate import OwnCertificate
from xds.metrics.webhooks import WebhookMetrics
from xds.webhooks import tls
from xds.webhooks.review import Answer, Review
from xds.webhooks.server import app
from xds.webhooks.validate import Surroundings, Trial, Tried
from xds.webhooks.validating import validating

GROUP = "networking.istio.io"


def crd(kind: str, plural: str, served: str = "v1") -> dict[str, Any]:
    """A definition of an Istio kind that lets everything through."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": served, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [{**version, "subresources": {"status": {}}}],
        },
    }


def webhook(kind: str, url: str, rule: dict[str, Any], policy: str = "Fail", rev: str = "default") -> dict[str, Any]:
    """A configuration of one webhook without a bundle."""
    labels = {"app.kubernetes.io/part-of": "plait", "istio.io/rev": rev}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": f"plait-{kind.lower()}-{rev}", "labels": labels},
        "webhooks": [
            {
                "name": f"{kind.lower()}.plait.io",
                "clientConfig": {"url": url},
                "rules": [rule],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "failurePolicy": policy,
                "timeoutSeconds": 10,
            }
        ],
    }


class Served:
    """Webhooks that are served while the context is open, and whatever else is spawned in their loop."""

    def __init__(self, mutate: Callable[[Review], Answer]) -> None:
        self.authority = Authority(self_signed(datetime.now(UTC)), "cluster.local")
        self.roots = self.authority.roots
        self.own = OwnCertificate(lambda: self.authority, lambda: ("127.0.0.1",), timedelta(hours=1))
        self.snapshot = Builder().snapshot
        self.trial: Trial = lambda ref, rows, before: Tried()
        judge = validating(lambda: Surroundings(self.snapshot, trial=self.trial))
        self.counted = WebhookMetrics()
        self._application = app(mutate, judge, self.counted)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._stop = asyncio.Event()
        listener = listen("127.0.0.1:0")
        self.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        self._serving = tls.serve(self._application, listener, self.own.current_pair, self._stop)
        self._tasks: list[Any] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self._tasks.append(asyncio.run_coroutine_threadsafe(self._serving, self._loop))
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        for task in self._tasks[1:]:
            task.cancel()
        self._tasks[0].result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it until the end."""
        self._tasks.append(asyncio.run_coroutine_threadsafe(work, self._loop))

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that they are served in."""
        return self._loop

    def call(self, function: Callable[[], None]) -> None:
        """Call it in the loop."""
        self._loop.call_soon_threadsafe(function)
