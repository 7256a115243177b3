"""``plait dashboard``: the dashboard of a control plane, in the browser of who asks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final, cast

import typer

from xds.cli.failure import Failure
from xds.cli.istioctl import DASHBOARDS, here
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.cli.control_plane import Pages
    from xds.dashboard.forwarded import Replica

app = typer_app()

_POD: Final = "pod "  # how the names of pods' pages begin
_LOOK_AGAIN_S: Final = 10.0


def command(
    place: Where,
    called: typer.Context,
    port: Annotated[int, typer.Option("--port", "-p", metavar="PORT", help="The local port. Default: a free one.")] = 0,
    replica: Annotated[
        str, typer.Option("--replica", metavar="NAME", help="One of several replicas. Default: all, put together.")
    ] = "",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in a browser, if there is a terminal.")
    ] = True,
) -> None:
    """Show the dashboard: the service graph, services, proxies, policies, changes, and why a call goes where it goes.

    It is served on this machine, at an address that is printed, until Ctrl-C, and reads from the control plane that is
    meant: the local mesh's, a cluster's by its API server, or that at --http. Of several replicas all are read and put
    together. It changes nothing, unless somebody logs in there with a token of the cluster that may.
    """
    from xds.admin.listen import listen
    from xds.cli.until_signalled import run_until_signalled
    from xds.dashboard.forwarded import forwarded

    if called.args:
        instead = DASHBOARDS.get(called.args[0], "`plait dashboard`, without a name")
        raise Failure(here(" ".join(("dashboard", *called.args)), instead))
    chosen = _chosen(place, replica)
    listener = listen(f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/dashboard/"
    typer.echo(f"{url} shows {', '.join(each.name for each in chosen)}")

    async def work() -> None:
        from xds.admin.listen import serve

        if browser and sys.stdout.isatty():
            await asyncio.to_thread(typer.launch, url)
        known = _Known(place, replica, chosen)
        looking = asyncio.create_task(known.follow())
        try:
            await serve(forwarded(lambda: cast("Sequence[Replica]", known.replicas)), listener, asyncio.Event())
        finally:
            looking.cancel()

    run_until_signalled(work())


class _Known:
    """The replicas that are shown: pods come and go while somebody looks."""

    def __init__(self, place: Where, replica: str, chosen: Sequence[Pages]) -> None:
        self._asked = (place, replica)
        self.replicas = chosen

    async def follow(self) -> None:
        """Keep up with the pods of a control plane, for ever."""
        while self.replicas[0].name.startswith(_POD):
            await asyncio.sleep(_LOOK_AGAIN_S)
            with contextlib.suppress(Failure):  # what was there last is what there is
                found = await asyncio.to_thread(_chosen, *self._asked)
                kept = {each.name: each for each in self.replicas}
                if found[0].name.startswith(_POD):
                    self.replicas = [kept.get(each.name, each) for each in found]


def _chosen(place: Where, replica: str) -> Sequence[Pages]:
    from xds.cli.control_plane import control_plane

    known = control_plane(place).replicas
    found = [each for each in known if replica in {"", each.name, _pod(each)}]
    if not found:
        raise Failure(f"there is no replica {replica!r}, there are: {', '.join(each.name for each in known)}")
    return found


def _pod(pages: Pages) -> str:
    """The name of the pod in ``pod NAMESPACE/NAME port N``."""
    return pages.name.partition("/")[2].partition(" ")[0] if pages.name.startswith(_POD) else pages.name


app.command(context_settings={"allow_extra_args": True})(grouped(command))
