"""MeshConfig's pathNormalization: which spellings of a path a policy sees through, by Envoy and by the verdict."""

from __future__ import annotations

import pytest

from tests.envoy.manifests import documents, mesh_config, namespace, pod, security, service
from xds.explain.matching import normalized
from xds.model.mesh import Paths
from xds.testing.mesh import Mesh

SPELLINGS = (
    *("/admin", "//admin", "/admin//", "/%2fadmin", "/%61dmin", "/adm%69n", "/x/../admin", "/x//..//admin"),
    *("/x%2f..%2fadmin", "/x\\..\\admin", "/x%5c..%5cadmin", "/other"),
)


@pytest.fixture(scope="module")
def mesh_manifests() -> str:
    deny = security(
        "AuthorizationPolicy", "no-admin", action="DENY", rules=[{"to": [{"operation": {"paths": ["/admin"]}}]}]
    )
    return documents(namespace("shop"), pod("client"), pod("web"), service("web"), deny)


@pytest.mark.parametrize("how", list(Paths))
async def test_what_is_denied_is_what_the_verdict_says(mesh: Mesh, how: Paths) -> None:
    await mesh.apply(documents(mesh_config(pathNormalization={"normalization": how.value})))
    for path in SPELLINGS:
        answer = await mesh.get("client", f"http://web{path}", keep_alive=False)
        denied = normalized(normalized(path, how), how) == "/admin"  # the caller's proxy, then the server's
        assert (answer.status == 403) is denied, (path, answer)
