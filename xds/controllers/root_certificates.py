"""The mesh's roots as a ConfigMap in every namespace, where pods mount it to know the control plane by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from xds.controllers.rounds import TIMEOUT_S, Rounds, reason
from xds.events import Event
from xds.model.shallow import read
from xds.model.well_known import OURS, PRODUCT, ROOTS_CONFIG_MAP, ROOTS_KEY

log = structlog.get_logger()

_EVERY: Final = timedelta(minutes=1)
_SOON: Final = timedelta(seconds=5)
# So that a thousand namespaces do not crowd out what else the API server has to do.
_BETWEEN_S: Final = 0.05
_PAGE: Final = 500
_NAMES_SHOWN: Final = 10
# The namespace's or its rules' doing: it will be no different in a second.
_FOR_NOW: Final = frozenset(
    {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}
)


class _Metadata(msgspec.Struct, frozen=True):
    namespace: str = ""


class _ConfigMap(msgspec.Struct, frozen=True):
    metadata: _Metadata
    data: dict[str, str] | None = None


class _ListMetadata(msgspec.Struct, frozen=True, rename={"next": "continue"}):
    next: str = ""


class _Listing(msgspec.Struct, frozen=True):
    metadata: _ListMetadata
    items: list[_ConfigMap]


_LISTINGS: Final = msgspec.json.Decoder(_Listing)


class RootCertificates:
    """Keeps ``roots`` (PEM) in ConfigMap ``istio-ca-root-cert`` of each of ``namespaces``, but of those that are going.

    What somebody else has changed or deleted is put right within a minute. One control plane at a time should run it.
    """

    def __init__(self, api_client: Any, roots: Callable[[], str], namespaces: Callable[[], Iterable[str]]) -> None:
        self._api: Any = client.CoreV1Api(api_client)
        self._roots = roots
        self._namespaces = namespaces
        self._rounds = Rounds(self._look, _SOON, Event.ROOT_CERTIFICATES_NOT_WRITTEN)
        self._stands: dict[str, str] = {}
        self._left_out: dict[str, str] = {}  # until all is looked at again; why, to say it but once
        self._listed_at: float | None = None

    def changed(self) -> None:
        """There may be another namespace, or other roots."""
        self._rounds.changed()

    async def run(self) -> None:
        """Keep them there, for ever."""
        self._listed_at = None  # who led meanwhile may have written
        await self._rounds.run()

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        again = self._listed_at is None or now - self._listed_at >= _EVERY.total_seconds()
        if again:
            self._stands = await asyncio.to_thread(self._list)
            self._listed_at = now
        told, self._left_out = self._left_out, {} if again else self._left_out
        written: list[str] = []
        try:
            while (namespace := self._next()) is not None:
                if await self._write(namespace, self._roots(), told.get(namespace, "")):
                    written.append(namespace)
                await asyncio.sleep(_BETWEEN_S)
        finally:
            if written:
                log.info(Event.ROOT_CERTIFICATES_WRITTEN, namespaces=written[:_NAMES_SHOWN], count=len(written))

    def _next(self) -> str | None:
        """The namespace that is most in need: none of its pods can start while it has no roots at all."""
        roots = self._roots()
        if not roots:
            return None
        wanted = set(self._namespaces())
        for gone in self._stands.keys() - wanted:
            del self._stands[gone]
        behind = [name for name in wanted if self._stands.get(name) != roots and name not in self._left_out]
        return min(behind, key=lambda name: (name in self._stands, name), default=None)

    async def _write(self, namespace: str, roots: str, told: str) -> bool:
        """Whether it stands there now. Errors: those of the API server which concern more than this namespace."""
        try:
            await asyncio.to_thread(self._apply, namespace, roots)
        except ApiException as error:
            if error.status not in _FOR_NOW:
                raise
            self._left_out[namespace] = why = reason(error)
            if not _is_going(error) and why != told:
                log.warning(Event.ROOT_CERTIFICATES_NOT_WRITTEN, namespace=namespace, reason=why)
            return False
        except RecursionError:
            pass  # it was written: the answer is too deep to read, by what somebody else has put there
        self._stands[namespace] = roots
        return True

    def _apply(self, namespace: str, roots: str) -> None:
        labels = {**OURS, "istio.io/config": "true"}
        self._api.patch_namespaced_config_map(
            ROOTS_CONFIG_MAP,
            namespace,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": ROOTS_CONFIG_MAP, "namespace": namespace, "labels": labels},
                "data": {ROOTS_KEY: roots},
            },
            field_manager=PRODUCT,
            force=True,
            _content_type="application/apply-patch+yaml",
            _request_timeout=TIMEOUT_S,
        )

    def _list(self) -> dict[str, str]:
        """What stands there, by namespace. Errors: those of the API server."""
        found: dict[str, str] = {}
        after = ""
        while True:
            answer = self._api.list_config_map_for_all_namespaces(
                field_selector=f"metadata.name={ROOTS_CONFIG_MAP}",
                limit=_PAGE,
                _continue=after,
                _preload_content=False,
                _request_timeout=TIMEOUT_S,
            )
            page = read(_LISTINGS.decode, answer.data)
            for each in page.items:
                found[each.metadata.namespace] = (each.data or {}).get(ROOTS_KEY, "")
            after = page.metadata.next
            if not after:
                return found


def _is_going(error: ApiException) -> bool:
    """Whether the namespace is gone, or on its way."""
    gone = error.status == HTTPStatus.NOT_FOUND
    return gone or (error.status == HTTPStatus.FORBIDDEN and "NamespaceTerminating" in str(error.body))
