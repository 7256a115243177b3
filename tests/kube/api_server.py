"""A real kube-apiserver with its etcd, on loopback: no kubelet, no controllers, objects are what a test writes."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from xds.sources.kube_config import connect

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plait" / "kubernetes-v1.36.3"
ISSUER: Final = "https://kubernetes.default.svc"
_READY_S: Final = 60.0


def binaries() -> Path | None:
    """The folder of kube-apiserver, kubectl and etcd: KUBEBUILDER_ASSETS, or what `make kubernetes` has built."""
    assets = os.environ.get("KUBEBUILDER_ASSETS", "")
    for folder in (Path(assets) if assets else CACHE, CACHE):
        if (folder / "kube-apiserver").exists():
            return folder
    return None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class ApiServer:
    """An API server of its own in ``folder``; ``start`` and ``stop`` may be called again: what is stored stays."""

    def __init__(self, folder: Path, assets: Path) -> None:
        self._folder = folder
        self._assets = assets
        self._port, self._etcd_port, self._peer_port = _free_ports(3)
        self._admin = secrets.token_hex(16)
        self._etcd: subprocess.Popen[bytes] | None = None
        self._api: subprocess.Popen[bytes] | None = None
        self.url = f"https://127.0.0.1:{self._port}"
        self.kubeconfig = folder / "kubeconfig"

    def start(self) -> None:
        """Return when it is ready. Errors: TimeoutError, with the end of its log."""
        if self._etcd is None:
            self._write_files()
            self._etcd = self._spawn("etcd", self._etcd_command())
        self._api = self._spawn("kube-apiserver", self._api_command())
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self._ready():
                return
            if self._api.poll() is not None:
                break
            time.sleep(0.1)
        log = (self._folder / "kube-apiserver.log").read_text(errors="replace")
        raise TimeoutError(f"kube-apiserver does not become ready: {log[-2000:]}")

    def stop(self) -> None:
        """End the API server, at once; what it has stored stays."""
        if self._api is not None:
            self._api.send_signal(signal.SIGKILL)
            self._api.wait()
            self._api = None

    def close(self) -> None:
        """End all of it."""
        self.stop()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait()

    def client(self, kubeconfig: Path | None = None) -> Any:
        """A ``kubernetes.client.ApiClient`` of the administrator, or of another kubeconfig."""
        return connect(kubeconfig or self.kubeconfig)

    def kubectl(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """The run of a kubectl command."""
        command = [str(self._assets / "kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done

    def apply(self, *objects: dict[str, Any]) -> None:
        """Server-side apply of objects."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def _ready(self) -> bool:
        done = self.kubectl("get", "--raw", "/readyz", check=False)
        return done.stdout.startswith("ok")

    def _spawn(self, name: str, command: Iterable[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(list(command), stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _etcd_command(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, self._peer_port))
        program = self._assets / "etcd"
        return [
            str(program) if program.exists() else (shutil.which("etcd") or "etcd"),
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
        ]

    def _api_command(self) -> list[str]:
        return [
            str(self._assets / "kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self._port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self._folder / 'certificates'}",
            f"--token-auth-file={self._folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            f"--service-account-issuer={ISSUER}",
            f"--service-account-signing-key-file={self._folder / 'sa.key'}",
            f"--service-account-key-file={self._folder / 'sa.pub'}",
            f"--api-audiences={ISSUER}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            "--max-requests-inflight=0",
        ]

    def _write_files(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(65537, 2048)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self._folder / "sa.key").write_bytes(private)
        public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
        (self._folder / "sa.pub").write_bytes(public)
        (self._folder / "tokens.csv").write_text(f'{self._admin},admin,1,"system:masters"\n')
        self.kubeconfig.write_text(self.kubeconfig_text(self._admin))

    def whole_kubeconfig(self, **of_user: Any) -> dict[str, Any]:
        """A kubeconfig with all that it needs in it, for the administrator, or for who has what is stated."""
        plain: dict[str, Any] = yaml.safe_load(self.kubeconfig_text(self._admin))
        authority = Path(plain["clusters"][0]["cluster"].pop("certificate-authority")).read_bytes()
        plain["clusters"][0]["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
        plain["users"][0]["user"] = of_user or plain["users"][0]["user"]
        return plain

    def kubeconfig_text(self, token: str) -> str:
        """A kubeconfig for who has that token."""
        authority = str(self._folder / "certificates" / "apiserver.crt")
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": authority}}],
                "users": [{"name": "u", "user": {"token": token}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
