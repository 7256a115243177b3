"""``plait node-agent``: sets the interception rules of the pods of a node, so that no pod needs NET_ADMIN."""

from __future__ import annotations

import os
import shutil
from typing import Annotated

import typer

from xds import events
from xds.cli.failure import Failure
from xds.cli.lazy import typer_app
from xds.cli.until_signalled import run_until_signalled

app = typer_app()


@app.command()
def command(
    node: Annotated[str, typer.Option("--node", metavar="NAME", envvar="NODE_NAME", help="The node's name.")],
    kubeconfig: Annotated[
        str, typer.Option("--kubeconfig", metavar="FILE", help="The cluster's. Default: the one that this is a pod of.")
    ] = "",
) -> None:
    """Set the interception rules of pods of this node that have the annotation sidecar.plait/interception.

    Runs as root in the node's process namespace; it needs iptables. It never touches the node's own network.
    """
    from pathlib import Path

    from xds.cni.agent import NodeAgent
    from xds.cni.sandbox import machine_networks
    from xds.sources.kube_client import KubeClient
    from xds.sources.kube_config import NoCluster, connect

    missing = [each for each in ("iptables-restore", "ip6tables-restore") if shutil.which(each) is None]
    if missing or os.geteuid() != 0:
        raise Failure(f"{missing[0]} is not installed" if missing else "must run as root")
    try:
        client = KubeClient(connect(Path(kubeconfig) if kubeconfig else None).configuration)
    except NoCluster as error:
        raise Failure(str(error)) from None
    try:
        untouchable = machine_networks()
    except OSError as error:
        raise Failure(
            f"cannot tell which network is the machine's own; needs hostPID and SYS_PTRACE: {error}"
        ) from None
    events.set_up()
    run_until_signalled(NodeAgent(client, node, untouchable).run())
