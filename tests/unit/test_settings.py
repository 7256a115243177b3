"""Settings: flags, else the environment, else the defaults."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from xds.setting_values import SettingError
from xds.settings import Settings


def test_defaults() -> None:
    assert Settings.resolve({}, {}) == Settings()
    assert (Settings().xds, Settings().http, Settings().xds_plaintext) == ("0.0.0.0:15012", "127.0.0.1:15014", "")


def test_the_environment_is_read_by_type() -> None:
    environment = {
        "PLAIT_MANIFESTS": "/a:/b",
        "PLAIT_XDS_PLAINTEXT": "unix:/run/x",
        "PLAIT_DEBOUNCE_S": "0.5",
        "PLAIT_MANIFEST_SIZE_LIMIT": "100",
        "PLAIT_HTTP": "",
        "PATH": "/bin",
    }
    settings = Settings.resolve(environment, {})
    assert settings == Settings(
        manifests=(Path("/a"), Path("/b")),
        xds="",
        xds_plaintext="unix:/run/x",
        debounce=timedelta(seconds=0.5),
        manifest_size_limit=100,
        http="",
    )


def test_a_flag_wins_and_none_is_no_flag() -> None:
    environment = {"PLAIT_HTTP": "127.0.0.1:1", "PLAIT_XDS": "127.0.0.1:2"}
    settings = Settings.resolve(environment, {"http": "127.0.0.1:3", "xds": None})
    assert (settings.http, settings.xds) == ("127.0.0.1:3", "127.0.0.1:2")


def test_a_source_named_by_a_flag_replaces_that_of_the_environment() -> None:
    settings = Settings.resolve({"PLAIT_IN_CLUSTER": "true"}, {"manifests": (Path("/a"),)})
    assert (settings.in_cluster, settings.manifests) == (False, (Path("/a"),))


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PLAIT_DEBOUNCE_S": "soon"}, "PLAIT_DEBOUNCE_S must be a number of seconds, is 'soon'"),
        ({"PLAIT_IN_CLUSTER": "maybe"}, "PLAIT_IN_CLUSTER must be true or false, is 'maybe'"),
        ({"PLAIT_MANIFEST_SIZE_LIMIT": "1.5"}, "PLAIT_MANIFEST_SIZE_LIMIT must be a whole number, is '1.5'"),
        ({"PLAIT_XDS": "somewhere"}, "xds must be host:port or unix:/path, is 'somewhere'"),
        ({"PLAIT_IN_CLUSTER": "1", "PLAIT_MANIFESTS": "/a"}, "rule each other out"),
    ],
)
def test_what_cannot_be_read(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings.resolve(environment, {})
    assert message in str(caught.value)


def test_tls_is_the_default_until_plaintext_is_wanted() -> None:
    assert Settings.resolve({}, {}).xds == "0.0.0.0:15012"
    assert Settings.resolve({}, {"xds_plaintext": "127.0.0.1:1"}).xds == ""
    assert Settings.resolve({}, {"xds_plaintext": "127.0.0.1:1", "xds": "127.0.0.1:2"}).xds == "127.0.0.1:2"
    assert Settings.resolve({"PLAIT_XDS": "127.0.0.1:2"}, {"xds_plaintext": "127.0.0.1:1"}).xds == "127.0.0.1:2"


def test_what_a_cluster_names_does_not_reach_our_own_machine_or_the_api_server() -> None:
    inside = {"PLAIT_IN_CLUSTER": "true", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    assert Settings.resolve(inside, {}).jwks_blocked.split()[-3:] == ["127.0.0.0/8", "::1/128", "10.96.0.1"]
    named = Settings.resolve({**inside, "KUBERNETES_SERVICE_HOST": "kubernetes.default"}, {}).jwks_blocked
    assert named.split()[-1] == "::1/128"
    outside = Settings.resolve({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, {"kubeconfig": Path("config")}).jwks_blocked
    assert outside.split()[-2:] == ["127.0.0.0/8", "::1/128"]
    assert "127.0.0.0/8" not in Settings.resolve({}, {"manifests": (Path("folder"),)}).jwks_blocked
    assert Settings.resolve({**inside, "PLAIT_JWKS_BLOCKED": "10.0.0.0/8"}, {}).jwks_blocked == "10.0.0.0/8"


def test_remote_clusters_are_told_by_name() -> None:
    told = {"PLAIT_REMOTE_KUBECONFIGS": "west=/a/west:north=/a/north"}
    assert Settings.resolve(told, {}).remote_kubeconfigs == ("west=/a/west", "north=/a/north")
    for wrong in ("west", "=file", "west="):
        with pytest.raises(SettingError, match="remote_kubeconfigs must be CLUSTER=FILE"):
            Settings.resolve({}, {"remote_kubeconfigs": (wrong,)})
