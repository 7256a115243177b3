"""What people who log in may do from the page: let a rollout through, or take it back.

They log in with a token of the cluster's API server, which every action brings with it and nobody keeps. The API server
is asked, with that token, whether its owner may update each object that the action is about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from xds.admin.near import is_near
from xds.events import Event
from xds.failure import Failure
from xds.model.refs import ObjectRef

log = structlog.get_logger()

_BEARER: Final = "bearer "
_LONGEST_TOKEN: Final = 16_384
_AT_ONCE: Final = 4
_MOST_WAITING: Final = 8
_MOST_OBJECTS: Final = 100


class Writers(Protocol):
    """Who can say whose a token is, and what its owner may write. Errors of each: Failure, where it cannot be asked."""

    async def who(self, token: str) -> str:
        """The name of the token's owner; ``""`` when it is nobody's."""
        ...

    async def may_update(self, token: str, ref: ObjectRef) -> bool:
        """Whether the owner may update that object."""
        ...


class Standing(Protocol):
    """The rollout that is under way."""

    @property
    def objects(self) -> Iterable[ObjectRef]:
        """What rolls out."""
        ...


class Rollouts(Protocol):
    """Rollouts, as ``xds.rollout.rollouts`` has them."""

    @property
    def held(self) -> Mapping[ObjectRef, Any]:
        """The objects that are held back."""
        ...

    @property
    def standing(self) -> Standing | None:
        """The rollout that is under way."""
        ...

    def promote(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Let these through to all proxies; answers which."""
        ...

    def abort(self, refs: Iterable[ObjectRef]) -> tuple[ObjectRef, ...]:
        """Take these back; answers which."""
        ...


class _Refused(Exception):
    """Why somebody may not; the status of HTTP comes first."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Acting:
    """The pages that do something, for who may."""

    def __init__(self, rollouts: Rollouts, writers: Writers) -> None:
        self._rollouts = rollouts
        self._writers = writers
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[BaseRoute]:
        """``POST /dashboard/api/login``, ``/dashboard/api/rollouts/promote`` and ``abort``, each with the token."""
        pages = {"login": self._login, "rollouts/promote": self._decide, "rollouts/abort": self._decide}
        return [Route(f"/dashboard/api/{name}", self._page(page), methods=["POST"]) for name, page in pages.items()]

    def _page(self, answer: Any) -> Any:
        async def page(request: Request) -> Response:
            if self._waiting >= _MOST_WAITING:
                return _told({"error": "too many are waiting for an answer; ask again in a moment"}, 429)
            self._waiting += 1
            try:
                async with self._turns:
                    return _told(await answer(request))
            except _Refused as refused:
                return _told({"error": str(refused)}, refused.status)
            except Failure as failure:
                return _told({"error": str(failure)}, 502)
            finally:
                self._waiting -= 1

        return page

    async def _login(self, request: Request) -> Any:
        _, user = await self._owner(request)
        return {"user": user}

    async def _decide(self, request: Request) -> Any:
        token, user = await self._owner(request)
        refs = self._meant(request)
        if not refs:
            raise _Refused(404, "nothing of that is held back now")
        for ref in refs[:_MOST_OBJECTS]:
            if not await self._writers.may_update(token, ref):
                raise _Refused(403, f"{user} may not update {ref}")
        if self._meant(request) != refs or len(refs) > _MOST_OBJECTS:
            raise _Refused(409, "something else rolls out by now: look again")
        what = request.url.path.rpartition("/")[2]
        decided = (self._rollouts.promote if what == "promote" else self._rollouts.abort)(refs)
        log.info(Event.ROLLOUT_DECIDED, user=user, decision=what, objects=[str(ref) for ref in decided])
        return [ref.plain() for ref in decided]

    async def _owner(self, request: Request) -> tuple[str, str]:
        """The token, and whose it is."""
        if not is_near(request):  # a token must have travelled in the clear on this machine only
            raise _Refused(403, "tokens are taken over loopback only: run plait dashboard")
        said = request.headers.get("authorization", "")
        token = said[len(_BEARER) :].strip() if said.lower().startswith(_BEARER) else ""
        if not token or len(token) > _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise _Refused(401, "log in with a token of the cluster first")
        user = await self._writers.who(token)
        if not user:
            raise _Refused(401, "the cluster's API server does not take this token")
        return token, user

    def _meant(self, request: Request) -> tuple[ObjectRef, ...]:
        """What the query names, else what is under way; with all that rolls out with it."""
        said, standing = request.query_params, self._rollouts.standing
        rolling = tuple(standing.objects) if standing is not None else ()
        if "name" not in said:
            return tuple(sorted(rolling))
        ref = ObjectRef(said.get("group", ""), said.get("kind", ""), said.get("namespace", ""), said["name"])
        wanted = {ref} if ref in self._rollouts.held else set[ObjectRef]()
        return tuple(sorted(wanted.union(rolling) if ref in rolling else wanted))


def _told(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status, {"cache-control": "no-store"})
