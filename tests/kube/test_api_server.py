"""The fixture itself."""

from __future__ import annotations

from tests.kube.api_server import ApiServer


def test_what_is_stored_outlives_a_stop(own_api_server: ApiServer) -> None:
    own_api_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    own_api_server.stop()
    own_api_server.start()
    assert own_api_server.kubectl("get", "namespace", "kept", "-o", "name").stdout == "namespace/kept\n"
