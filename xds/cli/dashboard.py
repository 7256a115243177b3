"""``plait dashboard``: the dashboard of a control plane, in the browser of who asks."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.options import grouped
from xds.cli.where import Where

if TYPE_CHECKING:
    from xds.cli.control_plane import Pages

app = typer_app()


def command(
    place: Where,
    port: Annotated[int, typer.Option("--port", "-p", metavar="PORT", help="The local port. Default: a free one.")] = 0,
    replica: Annotated[
        str, typer.Option("--replica", metavar="NAME", help="Which of several replicas. Default: the first.")
    ] = "",
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open it in a browser, if there is a terminal.")
    ] = True,
) -> None:
    """Show the dashboard: the service graph, services, proxies, policies, changes, and why a call goes where it goes.

    It is served on this machine, at an address that is printed, until Ctrl-C, and reads from the control plane that is
    meant: the local mesh's, a cluster's by its API server, or that at --http. It changes nothing.
    """
    from xds.admin.listen import listen
    from xds.cli.until_signalled import run_until_signalled
    from xds.dashboard.forwarded import forwarded

    pages = _chosen(place, replica)
    listener = listen(f"127.0.0.1:{port}")
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/dashboard/"
    typer.echo(f"{url} shows {pages.name}")

    async def work() -> None:
        from xds.admin.listen import serve

        if browser and sys.stdout.isatty():
            await asyncio.to_thread(typer.launch, url)
        await serve(forwarded(pages.get), listener, asyncio.Event())

    run_until_signalled(work())


def _chosen(place: Where, replica: str) -> Pages:
    from xds.cli.control_plane import control_plane

    known = control_plane(place).replicas
    found = next((each for each in known if replica in {"", each.name}), None)
    if found is None:
        raise Failure(f"there is no replica {replica!r}, there are: {', '.join(each.name for each in known)}")
    if len(known) > 1 and not replica:
        others = ", ".join(each.name for each in known[1:])
        typer.echo(f"plait: note: each replica knows its own proxies; for others say --replica: {others}", err=True)
    return found


app.command()(grouped(command))
