"""``plait dashboard``: what it serves, and when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from xds.dashboard.page import _LIBRARIES

PLAIT = (sys.executable, "-c", "from xds.cli import main; main()")


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    """The command, for a control plane that is away."""
    words = [*PLAIT, "dashboard", "--http", "127.0.0.1:1", "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_it_says_where_it_is_and_serves_the_page_until_ctrl_c(running: subprocess.Popen[str]) -> None:
    assert running.stdout is not None
    url, _, what = running.stdout.readline().strip().partition("/dashboard/ shows ")
    assert what == "127.0.0.1:1"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        assert client.get("/dashboard/").status_code == (200 if (_LIBRARIES / "preact.mjs").is_file() else 503)
        away = client.get("/dashboard/api/overview")
    assert away.status_code == 502
    assert "no control plane answers at 127.0.0.1:1" in away.json()["error"]
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 0


def test_a_replica_that_is_not_there_is_named() -> None:
    words = [*PLAIT, "dashboard", "--http", "127.0.0.1:1", "--replica", "istiod-x"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "there is no replica 'istiod-x', there are: 127.0.0.1:1" in done.stderr
