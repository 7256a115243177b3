"""What a pod's resolver files and users are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from xds.local.commands import User, reachable, user_for
from xds.local.pod_network import hosts, resolv_conf
from xds.local.pods import PodSpec


def test_resolv_conf() -> None:
    assert resolv_conf("shop", "10.77.0.1") == (
        "nameserver 10.77.0.1\nsearch shop.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    )


def test_hosts_has_the_full_name_below_a_subdomain() -> None:
    spec = PodSpec("shop", "db-0", (), subdomain="db")
    assert hosts(spec, ("10.77.0.2",)).splitlines()[-1] == "10.77.0.2\tdb-0.db.shop.svc.cluster.local db-0"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_closed_folders_need_the_right_to_read(folder: Path) -> None:
    open_file, closed_file = folder / "open" / "file", folder / "closed" / "file"
    for file, mode in ((open_file, 0o755), (closed_file, 0o700)):
        file.parent.mkdir()
        file.write_text("")
        file.chmod(0o644)
        file.parent.chmod(mode)
    stranger = User(54321, 54321)
    assert reachable(open_file, stranger)
    assert not reachable(closed_file, stranger)
    assert user_for(54321, 54321, [open_file]) == stranger
    assert user_for(54321, 54321, [open_file, closed_file]).reads_all
