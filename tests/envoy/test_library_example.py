"""The library's example does what it says, with a real Envoy."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.envoy.conftest import Launch
from tests.envoy.loopback import bootstrap

pytestmark = pytest.mark.envoy

EXAMPLE = Path(__file__).parents[2] / "examples" / "library" / "hello_xds.py"


async def test_hello_xds(launch_envoy: Launch) -> None:
    command = [sys.executable, str(EXAMPLE), "127.0.0.1:0", "0"]
    example = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert example.stdout is not None
        async with asyncio.timeout(60):
            said = ""
            while not said.startswith("xDS on port"):
                said = (await example.stdout.readline()).decode()
            envoy = await launch_envoy(bootstrap(int(said.split()[-1])))
            while said.strip() != "an Envoy has it":
                said = (await example.stdout.readline()).decode()
        assert await envoy.get("hello", "anything") == (200, "hello from Plait\n")
        assert await envoy.rejections() == 0
    finally:
        example.terminate()
        await example.wait()
