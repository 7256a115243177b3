"""Where a CA is kept that a command is about: in a folder, or in a cluster's Secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xds.cli.failure import Failure
from xds.cli.where import ROOT_NAMESPACE, usual_kubeconfig
from xds.model.well_known import CA_SECRET, PLUGGED_IN_SECRET

if TYPE_CHECKING:
    from ca.state import CaState
    from ca.store import Store


@dataclass(frozen=True, slots=True)
class CaFolder:
    """Which CA a command is about: that of a folder."""

    ca_dir: Annotated[
        Path | None,
        typer.Option("--ca-dir", metavar="DIR", help="Where the CA is kept, or the files of a plugged-in one."),
    ] = None
    passphrase_file: Annotated[
        Path | None,
        typer.Option(
            "--passphrase-file", metavar="FILE", help="Holds the passphrase that its keys are encrypted with."
        ),
    ] = None

    @property
    def folder(self) -> Path:
        """``--ca-dir``. Errors: Failure when it is not given."""
        if self.ca_dir is None:
            raise Failure("say where the CA is kept: --ca-dir DIR")
        return self.ca_dir

    @property
    def where(self) -> str:
        """Where it is, in words. Errors: Failure."""
        return str(self.folder)

    @property
    def passphrase(self) -> bytes | None:
        """What the file holds, without the end of its line. Errors: Failure when that is nothing."""
        if self.passphrase_file is None:
            return None
        found = self.passphrase_file.read_bytes().rstrip(b"\r\n")
        if not found:  # or keys would be written unencrypted
            raise Failure(f"--passphrase-file {self.passphrase_file}: it is empty")
        return found

    @property
    def store(self) -> Store:
        """The CA's state there. Errors: Failure."""
        from ca.directory_store import DirectoryStore

        return DirectoryStore(self.folder, self.passphrase)

    @property
    def plugged_in(self) -> bool:
        """Whether what is there are the operator's own files. Errors: Failure."""
        from ca.chain import names_in, read_folder

        return not (self.folder / "current").is_symlink() and names_in(read_folder(self.folder)) is not None

    def state(self, now: datetime) -> CaState:
        """What is there. Errors: Failure when nothing is; Unusable."""
        from ca.chain import load_folder
        from ca.state import CaState

        if self.plugged_in:
            found = load_folder(self.folder, now, self.passphrase)
            return CaState(found.issuer, now, more_roots=found.roots)
        stored = self.store.load()
        if stored is None:
            raise Failure(f"there is no CA in {self.where}; `plait ca issue` makes one")
        return stored


@dataclass(frozen=True, slots=True)
class CaKept(CaFolder):
    """The same, or that of a cluster, which has to be named."""

    kubeconfig: Annotated[
        str, typer.Option("--kubeconfig", metavar="FILE", help="A cluster's, whose CA is in its Secret plait-ca.")
    ] = ""
    context: Annotated[str, typer.Option("--context", metavar="NAME", help="Which context of the kubeconfig.")] = ""
    root_namespace: Annotated[
        str,
        typer.Option(
            "-i", "--root-namespace", "--istioNamespace", metavar="NS", help="Where a cluster's control plane is."
        ),
    ] = ROOT_NAMESPACE

    @property
    def named(self) -> bool:
        """Whether any place is. A rotation in the usual cluster would be too much to assume."""
        return self.ca_dir is not None or self.in_cluster

    @property
    def in_cluster(self) -> bool:
        """Whether it is that of a cluster. Errors: Failure when a folder is named too."""
        named = bool(self.kubeconfig or self.context)
        if named and self.ca_dir is not None:
            raise Failure("--ca-dir is for a CA in a folder, --kubeconfig and --context for a cluster's: leave one out")
        return named

    @property
    def where(self) -> str:
        """Where it is, in words. Errors: Failure."""
        return f"Secret {self.root_namespace}/{CA_SECRET}" if self.in_cluster else str(self.folder)

    @property
    def folder(self) -> Path:
        """``--ca-dir``. Errors: Failure when neither that nor a cluster is given."""
        if self.ca_dir is None:
            raise Failure("say where the CA is kept: --ca-dir DIR, or for a cluster's --kubeconfig FILE")
        return self.ca_dir

    @property
    def store(self) -> Store:
        """The CA's state there. Errors: Failure."""
        from ca.secret_store import SecretStore

        if not self.in_cluster:
            return self._in_folder.store
        return SecretStore(self._secrets(), self.root_namespace, CA_SECRET, self.passphrase)

    @property
    def plugged_in(self) -> bool:
        """Whether it is the operator's own. Errors: Failure; OSError."""
        from ca.secret_store import SecretStore

        if not self.in_cluster:
            return self._in_folder.plugged_in
        return SecretStore(self._secrets(), self.root_namespace, PLUGGED_IN_SECRET).version() is not None

    def state(self, now: datetime) -> CaState:
        """What is there. Errors: Failure when nothing is; Unusable; OSError."""
        if not self.in_cluster:
            return self._in_folder.state(now)
        stored = self.store.load()  # a plugged-in one too, once the control plane has adopted it
        if stored is None:
            raise Failure(f"there is no CA in {self.where}; a control plane that starts makes one")
        return stored

    @property
    def _in_folder(self) -> CaFolder:
        return CaFolder(self.folder, self.passphrase_file)

    def _secrets(self) -> Any:
        from kubernetes.client import CoreV1Api

        from xds.sources.kube_config import NoCluster, connect

        file = self.kubeconfig or usual_kubeconfig()
        try:
            return CoreV1Api(connect(Path(file) if file else None, context=self.context))
        except NoCluster as error:
            raise Failure(str(error)) from None
