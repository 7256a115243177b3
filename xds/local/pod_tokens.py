"""The token by which a pod's sidecar proves itself to the control plane: written before it starts, renewed in time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from xds.bootstrap.credentials import WatchedToken
from xds.local.pod_host import PodHost
from xds.local.pods import PodKey, PodSpec


@dataclass(frozen=True, slots=True)
class PodTokens:
    """Who issues the tokens of pods: ``issue`` answers one that is good for that long from now on."""

    issue: Callable[[PodSpec, timedelta], str]
    lifetime: timedelta = timedelta(hours=1)


def watched(folder: Path, pod: PodKey) -> WatchedToken:
    """The token of a pod in a mesh whose files proxies find in ``folder``."""
    own = folder / _folder(pod)
    return WatchedToken(own / "token", own / "sds.json")


def write(host: PodHost, spec: PodSpec, tokens: PodTokens) -> None:
    """Put a token, and what tells Envoy to watch it, where ``watched`` says. OSError when that cannot be."""
    path = host.write_secret(f"{_folder(spec.key)}/token", tokens.issue(spec, tokens.lifetime))
    host.write_secret(f"{_folder(spec.key)}/sds.json", WatchedToken(path, path.with_name("sds.json")).sds)


async def renew(host: PodHost, spec: PodSpec, tokens: PodTokens, say: Callable[[str], None]) -> None:
    """Put a new token into place whenever half of the last one's life is over, for ever.

    What fails is said and tried again while the last one still holds.
    """
    life_s = tokens.lifetime.total_seconds()
    pause_s = life_s / 2
    while True:
        await asyncio.sleep(pause_s)
        try:
            write(host, spec, tokens)
            pause_s = life_s / 2
        except OSError as error:
            say(f"cannot renew the sidecar's token: {error}")
            pause_s = life_s / 10


def remove(host: PodHost, pod: PodKey) -> None:
    """Take the token away."""
    host.remove_secrets(_folder(pod))


def _folder(pod: PodKey) -> str:
    return f"pods/{pod.namespace}.{pod.name}/token"
