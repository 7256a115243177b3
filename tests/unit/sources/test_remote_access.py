"""Kubeconfigs of remote clusters: what of them is used, and that nothing of them is run, read or told."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from ca import keys
from ca.issuer import self_signed
from xds.model.refs import FieldRef, ObjectRef
from xds.sources.kube_client import KubeClient
from xds.sources.kube_config import NoCluster
from xds.sources.remote_access import LIMIT_BYTES, access
from xds.sources.remote_kubeconfig import MOST, Kubeconfig, listed, of_secrets, wanted_of

SERVER = "https://192.0.2.1:6443"
SECRET = ObjectRef("", "Secret", "istio-system", "remote")
Change = Callable[[dict[str, Any]], object]


def written(change: Change = lambda _: None) -> bytes:
    plain: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
        "users": [{"name": "u", "user": {"token": "hunter2"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    change(plain)
    return yaml.safe_dump(plain).encode()


def of_cluster(**more: Any) -> Change:
    return lambda plain: plain["clusters"][0]["cluster"].update(more)


def of_user(**more: Any) -> Change:
    return lambda plain: plain["users"][0]["user"].update(more)


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_token_and_where_it_is_presented() -> None:
    found = access(written())
    assert found.configuration.host == SERVER
    assert found.configuration.get_api_key_with_prefix("BearerToken", alias="authorization") == "Bearer hunter2"
    assert "hunter2" not in repr(found)
    KubeClient(found.configuration)


def test_a_key_is_kept_in_memory_alone(tmp_path: Path) -> None:
    issuer = self_signed(datetime.now(UTC))
    certificate = issuer.certificate.public_bytes(Encoding.PEM)
    user = {
        "token": None,
        "client-certificate-data": encoded(certificate),
        "client-key-data": encoded(keys.to_pem(issuer.key)),
    }
    authorities = {"certificate-authority-data": encoded(certificate)}
    found = access(written(lambda plain: (of_user(**user)(plain), of_cluster(**authorities)(plain))))
    KubeClient(found.configuration)
    again = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    again.load_cert_chain(found.configuration.cert_file)
    assert str(Path(f"/proc/self/fd/{found.memory}").readlink()).startswith("/memfd:")
    found.close()
    with pytest.raises(OSError, match="No such file"):
        again.load_cert_chain(found.configuration.cert_file)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (of_user(exec={"command": "touch"}), "users: exec would run a program here"),
        (of_user(**{"auth-provider": {"name": "gcp"}}), "users: auth-provider would run a plug-in"),
        (of_user(tokenFile="/var/run/secrets/kubernetes.io/serviceaccount/token"), "tokenFile names a file"),
        (of_user(**{"client-key": "/etc/key"}), "client-key names a file"),
        (of_user(**{"client-certificate": "/etc/cert"}), "client-certificate names a file"),
        (of_user(username="u", password="p"), "username is not supported"),
        (of_user(**{"as": "system:admin"}), "as is not supported"),
        (of_user(token=""), "has neither a token nor client-certificate-data"),
        (of_user(**{"client-key-data": encoded(b"x")}), "go together"),
        (of_cluster(**{"certificate-authority": "/etc/ca"}), "certificate-authority names a file"),
        (of_cluster(**{"insecure-skip-tls-verify": True}), "API server is not verified"),
        (of_cluster(**{"proxy-url": "http://p"}), "proxy-url is not supported"),
        (of_cluster(server="http://192.0.2.1"), "server must begin with https://"),
        (of_cluster(**{"certificate-authority-data": "?"}), "must be base64"),
        (lambda plain: plain.update({"current-context": "y"}), "current-context must name"),
        (lambda plain: plain.update(clusters=[]), "must name one of its clusters"),
        (lambda plain: plain.update(users=[{"name": ["hunter2"]}]), "is no kubeconfig"),
    ],
)
def test_what_is_refused_is_named_and_nothing_else_is_told(change: Change, why: str) -> None:
    with pytest.raises(NoCluster) as told:
        access(written(change))
    assert why in str(told.value)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("text", [b"", b"[hunter2", b"hunter2", b"\xff", b"a: &a [*a]", b"{" * 10000])
def test_what_is_no_kubeconfig(text: bytes) -> None:
    with pytest.raises(NoCluster, match=r"is no kubeconfig|current-context") as told:
        access(text)
    assert "hunter2" not in str(told.value)


def test_a_kubeconfig_has_a_size() -> None:
    with pytest.raises(NoCluster, match="no larger than 256 KiB"):
        access(b"#" * (LIMIT_BYTES + 1))


def kubeconfig(cluster: str, name: str = "remote") -> Kubeconfig:
    at = FieldRef(ObjectRef("", "Secret", "istio-system", name), ("data", cluster))
    return Kubeconfig(cluster, at, b"hunter2")


def test_each_cluster_has_one_and_the_own_has_none() -> None:
    stated = [kubeconfig("west"), kubeconfig("west", "second"), kubeconfig("east"), kubeconfig("north")]
    found, problems = wanted_of("east", stated)
    assert found == {"west": stated[0], "north": stated[3]}
    assert {cluster: problem.code for cluster, problem in problems.items()} == {
        "west": "remote.twice",
        "east": "remote.own-cluster",
    }
    assert "hunter2" not in repr(stated)


def test_there_are_no_more_than_so_many() -> None:
    found, problems = wanted_of("east", [kubeconfig(f"c{number}") for number in range(MOST + 1)])
    assert len(found) == MOST
    assert [problem.code for problem in problems.values()] == ["remote.too-many"]


def test_kubeconfigs_of_secrets_and_files(tmp_path: Path) -> None:
    found = tuple(of_secrets({SECRET: {"west": encoded(written()), "broken": "a"}}))
    assert [(each.cluster, str(each.at), bool(each.content)) for each in found] == [
        ("broken", "Secret istio-system/remote data.broken", False),
        ("west", "Secret istio-system/remote data.west", True),
    ]
    (tmp_path / "west").write_bytes(written())
    assert listed([f"west={tmp_path / 'west'}"])[0].content == written()
    with pytest.raises(NoCluster, match="cluster north"):
        listed([f"north={tmp_path / 'north'}"])
