"""The roots by which the API server knows the webhooks, kept up to date in the configurations of this revision."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
import structlog
from kubernetes import client

from xds.controllers.rounds import TIMEOUT_S, Rounds
from xds.events import Event
from xds.model.injection import REVISION
from xds.model.well_known import PART_OF, PRODUCT

log = structlog.get_logger()

_EVERY: Final = timedelta(seconds=10)


class _Metadata(msgspec.Struct, frozen=True):
    name: str


class _ClientConfig(msgspec.Struct, frozen=True, rename="camel"):
    ca_bundle: str = ""


class _Webhook(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    client_config: _ClientConfig


class _Configuration(msgspec.Struct, frozen=True):
    metadata: _Metadata
    webhooks: tuple[_Webhook, ...] | None = None


class _Listing(msgspec.Struct, frozen=True):
    items: tuple[_Configuration, ...] = ()


class WebhookBundle:
    """Puts ``bundle`` (PEM) into ``caBundle`` of each webhook in the mutating and validating configurations that are
    labelled as Plait's and of ``revision``, whenever something else stands there.

    ``published``: what all of them had in the last round, empty before; a signer whose root is not among these is not
    believed by the API server yet.
    """

    def __init__(self, api_client: Any, revision: str, bundle: Callable[[], bytes]) -> None:
        self._api: Any = client.AdmissionregistrationV1Api(api_client)
        self._selector = f"{PART_OF}={PRODUCT},{REVISION}={revision}"
        self._bundle = bundle
        self._rounds = Rounds(self._look, _EVERY, Event.WEBHOOK_BUNDLE_NOT_PATCHED)
        self.published = b""

    def changed(self) -> None:
        """The bundle may be another now."""
        self._rounds.changed()

    async def run(self) -> None:
        """Keep it up to date, for ever. Any number of control planes may do so: all write the same."""
        await self._rounds.run()

    async def _look(self) -> None:
        bundle = self._bundle()
        if not bundle:  # an empty one would mean the roots of the API server's machine
            return
        for name in await asyncio.to_thread(self._put, base64.b64encode(bundle).decode()):
            log.info(Event.WEBHOOK_BUNDLE_PATCHED, configuration=name)
        self.published = bundle

    def _put(self, bundle: str) -> list[str]:
        """The names of the configurations that had something else. Errors: those of the API server."""
        kinds = (
            (self._api.list_mutating_webhook_configuration, self._api.patch_mutating_webhook_configuration),
            (self._api.list_validating_webhook_configuration, self._api.patch_validating_webhook_configuration),
        )
        patched = []
        for find, patch in kinds:
            listed = find(label_selector=self._selector, _preload_content=False, _request_timeout=TIMEOUT_S)
            for found in msgspec.json.decode(listed.data, type=_Listing).items:
                operations = _operations(found.webhooks or (), bundle)
                if operations:
                    patch(found.metadata.name, operations, _request_timeout=TIMEOUT_S)
                    patched.append(found.metadata.name)
        return patched


def _operations(webhooks: tuple[_Webhook, ...], bundle: str) -> list[dict[str, str]]:
    """The JSON patch that gives each webhook this bundle; it fails where somebody has moved them meanwhile."""
    operations = []
    for index, webhook in enumerate(webhooks):
        if webhook.client_config.ca_bundle != bundle:
            at = f"/webhooks/{index}"
            operations.append({"op": "test", "path": f"{at}/name", "value": webhook.name})
            operations.append({"op": "add", "path": f"{at}/clientConfig/caBundle", "value": bundle})
    return operations
