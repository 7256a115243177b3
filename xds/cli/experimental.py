"""``plait experimental``, or ``x``: commands that istioctl has there and that are commands of their own here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from xds.cli.istioctl import EXPERIMENTAL
from xds.cli.lazy import Lazy, LazyGroup, show_help, typer_app


class Experimental(LazyGroup):
    """The group: names that have not changed lead where they mean."""

    catalogue: ClassVar[Mapping[str, Lazy]] = {
        "authz": Lazy("xds.cli.authz", "Authorization: suggest, check."),
        "describe": Lazy("xds.cli.describe", "What holds for a pod or a service."),
        "proxy-status": Lazy("xds.cli.proxy_status", "What each proxy was sent and has accepted."),
        "ps": Lazy("xds.cli.proxy_status", "What each proxy was sent and has accepted.", hidden=True),
        "remote-clusters": Lazy("xds.cli.remote_clusters", "The remote clusters, and how well each is being read."),
        "version": Lazy("xds.cli.version", "Versions of this command, the control plane and the proxies."),
        "wait": Lazy("xds.cli.wait", "Wait until an object is live on all proxies, or on a share of them."),
    }
    elsewhere: ClassVar[Mapping[str, str]] = EXPERIMENTAL


app = typer_app(cls=Experimental, help="What istioctl has here; all of it is a command of its own, too.")
app.callback(invoke_without_command=True)(show_help)
