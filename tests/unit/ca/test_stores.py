"""Where the CA is kept: the directory, the Secret, memory; what all promise, and what each refuses."""

from __future__ import annotations

import base64
import contextlib
import copy
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes.client import ApiException

from ca import rotation
from ca.chain import load
from ca.directory_store import DirectoryStore, write_private
from ca.errors import Conflict, Unusable
from ca.issuer import self_signed
from ca.keys import KeyKind
from ca.secret_store import SecretStore
from ca.state import CaState, Phase, findings
from ca.store import MemoryStore, Store, open_or_create, open_plugged_in
from ca.trust import TrustBundle
from tests.unit.ca.made import DAY, NOW, authority, issuer, istio_files

ROOT = authority("root")
MIDDLE = ROOT.sign("middle")
SIGNER = MIDDLE.sign("signer")
STATE = CaState(
    issuer(SIGNER, MIDDLE, ROOT),
    NOW,
    next=self_signed(NOW),
    phase=Phase.SIGNING,
    more_roots=TrustBundle.of([authority("other").certificate]),
)


class Secrets:
    """The API server's Secrets, as far as a store needs them."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.version = 100

    def read_namespaced_secret(self, name: str, namespace: str, *, _request_timeout: float) -> Any:
        if f"{namespace}/{name}" not in self.kept:
            raise ApiException(status=404)
        return copy.deepcopy(self.kept[f"{namespace}/{name}"])

    def create_namespaced_secret(self, namespace: str, body: Any, *, _request_timeout: float) -> Any:
        if f"{namespace}/{body['metadata']['name']}" in self.kept:
            raise ApiException(status=409)
        return self._keep(f"{namespace}/{body['metadata']['name']}", body["data"])

    def replace_namespaced_secret(self, name: str, namespace: str, body: Any, *, _request_timeout: float) -> Any:
        found = self.kept[f"{namespace}/{name}"]
        if found.metadata.resource_version != body.metadata.resource_version:
            raise ApiException(status=409)
        return self._keep(f"{namespace}/{name}", body.data)

    def _keep(self, name: str, data: Any) -> Any:
        self.version += 1
        self.kept[name] = SimpleNamespace(metadata=SimpleNamespace(resource_version=str(self.version)), data=data)
        return copy.deepcopy(self.kept[name])


@pytest.fixture(params=["directory", "secret", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    match request.param:
        case "directory":
            yield DirectoryStore(tmp_path / "deep" / "ca")
        case "secret":
            yield SecretStore(Secrets(), "plait-system", "plait-ca")
        case _:
            yield MemoryStore()


def test_what_was_saved_comes_back(store: Store) -> None:
    assert store.load() is None
    assert store.version() is None
    saved = store.save(STATE)
    assert saved == STATE
    loaded = store.load()
    assert loaded == STATE
    assert loaded.version == saved.version == store.version()
    assert loaded.signer.key.private_numbers() == STATE.signer.key.private_numbers()
    assert loaded.active.key.private_numbers() == STATE.active.key.private_numbers()


def test_of_two_writers_one_has_to_look_again(store: Store) -> None:
    first = store.save(STATE)
    with pytest.raises(Conflict):
        store.save(STATE)
    second = store.save(replace(first, phase=Phase.ABORTING))
    with pytest.raises(Conflict):
        store.save(first)
    assert store.version() == second.version != first.version
    loaded = store.load()
    assert loaded is not None
    assert loaded.phase is Phase.ABORTING


def test_an_empty_store_gets_a_root_once(store: Store) -> None:
    made = open_or_create(store, NOW, KeyKind.P256)
    assert made.active.root.subject.rfc4514_string().startswith("CN=Plait mesh CA ")
    assert open_or_create(store, NOW) == made
    assert made.active.not_after == NOW + timedelta(days=3650)


def test_an_expired_ca_is_not_opened(store: Store) -> None:
    store.save(CaState(issuer(authority("old", ends=-DAY)), NOW))
    with pytest.raises(Unusable, match=r"CN=old\) expired"):
        open_or_create(store, NOW)


def test_a_plugged_in_ca_is_adopted_and_its_replacement_too(store: Store) -> None:
    first = load(istio_files(SIGNER, ROOT, MIDDLE), NOW)
    state = open_plugged_in(store, first, NOW)
    assert (state.phase, state.signer) == (Phase.STABLE, first.issuer)
    assert open_plugged_in(store, first, NOW).version == state.version  # nothing to save
    other = authority("other")
    state = open_plugged_in(store, load(istio_files(other, other), NOW), NOW)
    assert (state.phase, state.signer) == (Phase.DISTRIBUTING, first.issuer)
    assert store.load() == state


def test_what_the_clock_says_about_it() -> None:
    warned = CaState(issuer(authority("soon", begins=-300 * DAY, ends=3 * DAY)), NOW)
    assert "CN=soon) expires at" in findings(warned, NOW).warnings[0]
    late = CaState(issuer(ROOT), NOW, more_roots=TrustBundle.of([authority("gone", ends=-DAY).certificate]))
    assert findings(late, NOW).problems == ()
    assert "CN=gone) expired" in findings(late, NOW).warnings[0]


def modes(folder: Path) -> set[str]:
    return {f"{stat.S_IMODE(path.lstat().st_mode):o}" for path in folder.rglob("*") if path.is_file()}


def test_files_of_the_directory_are_for_their_owner_only(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "ca")
    saved = store.save(STATE)
    store.save(replace(saved, phase=Phase.ABORTING))
    assert modes(tmp_path / "ca") == {"600"}
    assert stat.S_IMODE((tmp_path / "ca").stat().st_mode) == 0o700
    assert sorted(path.name for path in (tmp_path / "ca").iterdir()) == ["current", "state-2"]  # no old keys
    # What is there is a CA by istio's names, too.
    current = {path.name: path.read_bytes() for path in (tmp_path / "ca" / "current").iterdir()}
    assert load(current, NOW).issuer == STATE.active


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    store = DirectoryStore(tmp_path)
    store.save(STATE)
    (tmp_path / "current" / "next-ca-key.pem").chmod(mode)
    with pytest.raises(Unusable, match=rf"next-ca-key.pem may be read by others \(mode {mode:04o}\): chmod 600 it"):
        store.load()


def test_a_writer_that_died_leaves_the_old_state(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    saved = store.save(STATE)
    (tmp_path / "state-2").mkdir()
    write_private(tmp_path / "state-2" / "ca-key.pem", b"half")
    assert store.load() == STATE
    assert store.save(saved).version == "2"
    assert store.load() == STATE


def test_many_writers_at_once(tmp_path: Path) -> None:
    won = []
    begin = threading.Barrier(8)

    def write() -> None:
        begin.wait(10)
        with contextlib.suppress(Conflict):
            won.append(DirectoryStore(tmp_path).save(STATE))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(won) == 1
    assert DirectoryStore(tmp_path).load() == STATE


@pytest.mark.parametrize("secret", [False, True])
def test_encrypted_at_rest(tmp_path: Path, secret: bool) -> None:
    api = Secrets()

    def store(passphrase: bytes | None) -> Store:
        return SecretStore(api, "mesh", "ca", passphrase) if secret else DirectoryStore(tmp_path, passphrase)

    store(b"sesame").save(STATE)
    if secret:
        written = b"".join(base64.b64decode(value) for value in api.kept["mesh/ca"].data.values())
    else:
        written = b"".join(path.read_bytes() for path in (tmp_path / "current").iterdir())
    assert written.count(b"BEGIN ENCRYPTED PRIVATE KEY") == 2
    assert b"BEGIN PRIVATE KEY" not in written
    assert store(b"sesame").load() == STATE
    with pytest.raises(Unusable, match=r"ca-key.pem cannot be used: the passphrase is wrong"):
        store(b"open").load()
    with pytest.raises(Unusable, match="no passphrase was given"):
        store(None).load()


def test_files_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.save(STATE)
    (tmp_path / "current" / "next-ca-cert.pem").unlink()
    with pytest.raises(Unusable, match=r"rotation.json says signing, which does not fit"):
        store.load()
    (tmp_path / "current" / "rotation.json").write_text("{}")
    with pytest.raises(Unusable, match=r"rotation.json cannot be read"):
        store.load()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "current").write_text("mine")
    with pytest.raises(Unusable, match="is no link of ours"):
        DirectoryStore(tmp_path).save(STATE)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("/etc")
    with pytest.raises(Unusable, match="is a link to /etc"):
        DirectoryStore(tmp_path).load()


def test_a_secret_of_istio_is_read(tmp_path: Path) -> None:
    api = Secrets()
    data = {name: base64.b64encode(content).decode() for name, content in istio_files(SIGNER, ROOT, MIDDLE).items()}
    api.kept["istio-system/cacerts"] = SimpleNamespace(metadata=SimpleNamespace(resource_version="5"), data=data)
    store = SecretStore(api, "istio-system", "cacerts")
    state = store.load()
    assert state is not None
    assert (state.phase, state.version, state.signer.root) == (Phase.STABLE, "5", ROOT.certificate)
    assert store.save(rotation.start(state, self_signed(NOW), NOW)).phase is Phase.DISTRIBUTING
