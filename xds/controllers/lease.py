"""A Lease of coordination.k8s.io/v1 as one of its contenders sees it; calls of the API server, synchronous."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kubernetes.client.exceptions import ApiException

from xds.controllers.rest import ABSENT, CONFLICT, Json, Rest
from xds.model.api_path import collection, item
from xds.model.well_known import OURS

_MICRO_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Lease:
    """The lease ``namespace/name``, for ``identity``.

    Whether another's has expired is told by when its record was seen to change, by our clock: those of two machines may
    differ by more than the lease lasts.
    """

    def __init__(
        self, api_client: Any, namespace: str, name: str, identity: str, lasts: timedelta, *, timeout_s: float
    ) -> None:
        self._rest = Rest(api_client, timeout_s)
        self._all = collection("coordination.k8s.io", "v1", "leases", namespace)
        self._path = item(self._all, name)
        self._metadata = {"namespace": namespace, "name": name, "labels": dict(OURS)}
        self._identity = identity
        self._lasts = lasts
        self._known: Json | None = None  # as last read or written
        self._changed = 0.0  # when that was first seen, of time.monotonic

    @property
    def holder(self) -> str:
        """Who held it when it was last seen; empty: nobody."""
        return self._spec.get("holderIdentity") or ""

    def expires_in_s(self) -> float:
        """How long the present holder still has, as far as is known; 0 where there is none."""
        if not self.holder:
            return 0.0
        lasts = self._spec.get("leaseDurationSeconds") or self._lasts.total_seconds()
        return max(0.0, self._changed + float(lasts) - time.monotonic())

    def hold(self) -> bool:
        """Take the lease, or renew it; False where another has it. Errors: those of ``Rest``."""
        if self.holder == self._identity and self._write(self._known):
            return True
        self._look()
        if self._known is not None and self.holder != self._identity and self.expires_in_s() > 0:
            return False
        return self._write(self._known)

    def release(self) -> None:
        """Give the lease up, so that the next need not wait for its end. Errors: those of ``Rest``."""
        known = self._known
        if known is not None and self.holder == self._identity:
            spec = {**self._spec, "holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
            self._see(self._rest.replace(self._path, {**known, "spec": spec}))

    @property
    def _spec(self) -> Json:
        return (self._known or {}).get("spec") or {}

    def _look(self) -> None:
        try:
            self._see(self._rest.get(self._path))
        except ApiException as error:
            if error.status != ABSENT:
                raise
            self._known = None

    def _see(self, found: Json) -> None:
        if self._known is None or found.get("spec") != self._known.get("spec"):
            self._changed = time.monotonic()
        self._known = found

    def _write(self, known: Json | None) -> bool:
        """Make the lease ours, from the state ``known``; False where it has another state by now."""
        try:
            if known is None:
                body = {"metadata": self._metadata, "spec": self._ours({})}
                self._see(self._rest.create(self._all, body))
            else:
                self._see(self._rest.replace(self._path, {**known, "spec": self._ours(known.get("spec") or {})}))
        except ApiException as error:
            if error.status != CONFLICT and (known is None or error.status != ABSENT):
                raise
            return False
        return True

    def _ours(self, before: Json) -> Json:
        now = _now()
        kept = before.get("holderIdentity") == self._identity
        transitions = before.get("leaseTransitions") or 0
        return {
            **before,
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._lasts.total_seconds())),
            "acquireTime": before.get("acquireTime") or now if kept else now,
            "renewTime": now,
            "leaseTransitions": transitions if kept or not before else transitions + 1,
        }


def _now() -> str:
    return datetime.now(UTC).strftime(_MICRO_TIME)
