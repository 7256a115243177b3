"""The local mesh as pytest fixtures: real pods and Envoys, requests from inside them, no NACK left unseen.

A test module says what runs, in a fixture of its own, and its tests take ``mesh``::

    @pytest.fixture(scope="module")
    def mesh_manifests() -> str | Path:
        return Path("manifests")  # or YAML text

    async def test_split(mesh: Mesh) -> None:
        await mesh.apply(VIRTUAL_SERVICE)  # undone after the test
        answers = await mesh.requests("client", "http://reviews/", count=1000)
        assert shares(answers, "version")["v2"] in likely(1000, 0.1)

The names used here are in ``xds.testing.mesh`` and ``xds.testing.answers``. This module imports nothing, since pytest
loads it in every run.
"""
