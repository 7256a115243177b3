"""The example of the README: what its policies say is what callers see."""

from __future__ import annotations

from pathlib import Path

import pytest

from xds.audit.record import Wanted
from xds.audit.refusal import Kind
from xds.testing.mesh import Mesh

EXAMPLE = Path(__file__).parents[2] / "examples" / "zero-trust"
READ = ("GET", "http://accounts.bank/accounts/7")
WRITE = ("POST", "http://accounts.bank/accounts")
WEB = "http://web.bank/"


@pytest.fixture(scope="module")
def mesh_manifests() -> Path:
    return EXAMPLE


@pytest.mark.parametrize(
    ("caller", "asked", "status"),
    [
        ("bank/web", READ, 200),
        ("bank/web", WRITE, 403),
        ("bank/batch", READ, 200),
        ("legacy/report", READ, 403),
        ("legacy/report", ("GET", WEB), 200),
        ("bank/web", ("GET", "http://accounts.bank/other"), 403),
    ],
)
async def test_who_may_do_what(mesh: Mesh, caller: str, asked: tuple[str, str], status: int) -> None:
    method, url = asked
    assert (await mesh.get(caller, url, method=method)).status == status


async def test_the_dry_run_is_recorded_and_refuses_nobody(mesh: Mesh) -> None:
    async def recorded() -> bool:
        answer = await mesh.get("bank/batch", READ[1])
        assert answer.status == 200
        found = mesh.up.control_plane.audit.record.latest(Wanted(kind=Kind.WOULD_REFUSE))
        return any(blame.object.name == "no-batch-at-night" for each in found for blame in each.refusal.policies)

    await mesh.until(recorded, "the dry run is in the audit")
