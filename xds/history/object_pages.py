"""The admin pages about objects that change: ``/debug/history`` (``xds.history.page``), and ``/debug/live``.

``/debug/live?group=&kind=&namespace=&name=`` tells whether one object is live, and if not, who is behind, and why.

JSON: ``{"object", "found": whether a source has it, "generation": that of its newest content, "origin",
"resource_version", "served": whether all that is made of that content is what proxies are to have, "live", "total":
proxies, "behind": names of some that lag, "rejections": [{"proxy", "reason", "resource"}], "problems": what is wrong
with the object, as ``plait analyze -o json`` has it, "checked": whether they are of that content}``. Counts are of this
control plane's own proxies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from xds.explain.listed import listed
from xds.findings import Findings
from xds.history.history import History
from xds.history.page import page
from xds.model.problem import Severity
from xds.model.refs import ObjectRef
from xds.proxies.live import Live
from xds.slices import in_slices
from xds.sources.store import ObjectStore

_MOST_BEHIND: Final = 20
_PATIENCE_S: Final = 5.0

Json = dict[str, Any]


class ObjectPages:
    """Answers for the objects of ``store``; ``working_on`` is whether what one makes is still to be published."""

    def __init__(
        self,
        live: Live,
        store: ObjectStore,
        findings: Findings,
        history: History,
        working_on: Callable[[ObjectRef], bool],
    ) -> None:
        self.findings = findings
        self._live = live
        self._store = store
        self._history = history
        self._working_on = working_on
        self._one_at_a_time = asyncio.Lock()

    async def history(self, query: Mapping[str, str]) -> Json | None:
        """The latest generations, or one; None where there is no such. Errors: ValueError, of the query."""
        return await page(self._history, query)

    async def live(self, query: Mapping[str, str]) -> Json:
        """How the object that the query names does."""
        ref = ObjectRef(*(query.get(name, "") for name in ("group", "kind", "namespace", "name")))
        found, served = self._store.get(ref), not self._working_on(ref)
        checked = await self._checked()  # what was served before this is looked through when it is over
        async with self._one_at_a_time:
            count, behind = await in_slices(self._live.of(ref, _MOST_BEHIND))
        every = self.findings.problems
        problems = [each for each in every if each.at.object == ref and each.severity is not Severity.INFO]
        return {
            "object": str(ref),
            "found": found is not None,
            "generation": found.generation if found is not None else 0,
            "origin": str(found.origin) if found is not None else "",
            "resource_version": found.origin.resource_version if found is not None else "",
            "served": served,
            "live": count.live,
            "total": count.total,
            "behind": behind,
            "rejections": [asdict(each) for each in count.rejections],
            "problems": [listed(each) for each in problems],
            "checked": checked,
        }

    async def _checked(self) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self.findings.up_to_date()
        except TimeoutError:
            return False
        return True
