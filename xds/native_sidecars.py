"""Whether all nodes of a cluster can run sidecars as Kubernetes has them: init containers that go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Final

import structlog
from kubernetes import client
from urllib3.exceptions import HTTPError

from xds.events import Event

log = structlog.get_logger()

# SidecarContainers is on by default from here on.
_SINCE: Final = (1, 29)
_LOOK_S: Final = 60.0
_TIMEOUT_S: Final = 5.0
_PAGE: Final = 500
_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")


class NativeSidecars:
    """``everywhere`` is what was seen when the nodes were looked at last; no before that: what is old works, too."""

    def __init__(self, api_client: Any) -> None:
        self._api = client.CoreV1Api(api_client)
        self.everywhere = False
        self._trouble = ""

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Look at the nodes; what was seen before stays while the API server does not tell."""
        try:
            self.everywhere = new_enough(await asyncio.to_thread(self._versions))
            self._trouble = ""
        except (client.ApiException, HTTPError, OSError) as error:
            if type(error).__name__ != self._trouble:
                self._trouble = type(error).__name__
                log.warning(Event.NODES_NOT_READ, reason=self._trouble)

    def _versions(self) -> list[str]:
        found: list[str] = []
        following = None
        while following != "":
            page: Any = self._api.list_node(limit=_PAGE, _continue=following, _request_timeout=_TIMEOUT_S)
            found += [each.status.node_info.kubelet_version for each in page.items if each.status.node_info]
            following = page.metadata._continue or ""
        return found


def new_enough(versions: Iterable[str]) -> bool:
    """Whether every kubelet of these versions (``v1.33.2``) runs native sidecars; no where there is none."""
    numbers = [_VERSION.match(each) for each in versions]
    return bool(numbers) and all(each and (int(each[1]), int(each[2])) >= _SINCE for each in numbers)
