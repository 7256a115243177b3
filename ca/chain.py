"""A CA that the operator plugs in: read from istio's or Kubernetes' file names, every fault said with file and fix."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from ca import keys, path, validity
from ca.errors import Refused, Unusable
from ca.issuer import Issuer
from ca.trust import TrustBundle


@dataclass(frozen=True, slots=True)
class Names:
    """The files of a CA. ``chain`` is optional, and empty where the certificate's file holds the intermediates too."""

    certificate: str
    key: str
    roots: str
    chain: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """Every file."""
        return tuple(name for name in (self.certificate, self.key, self.roots, self.chain) if name)


ISTIO: Final = Names("ca-cert.pem", "ca-key.pem", "root-cert.pem", "cert-chain.pem")
KUBERNETES: Final = Names("tls.crt", "tls.key", "ca.crt")


@dataclass(frozen=True, slots=True)
class PluggedIn:
    """A CA that can be used: who signs, whom workloads are to trust, and what will need attention."""

    issuer: Issuer
    roots: TrustBundle
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    """Files as they are read, and what was found wrong on the way."""

    files: Mapping[str, bytes]
    where: str
    found: list[str] = field(default_factory=list)

    def name(self, file: str) -> str:
        return f"{self.where}/{file}" if self.where else file

    def certificates(self, file: str) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(self.files[file])
        except KeyError:
            self.found.append(f"{self.name(file)} is missing")
        except ValueError as error:
            self.found.append(f"{self.name(file)} holds no certificates in PEM that can be read: {error}")
        return []

    def key(self, file: str, passphrase: bytes | None) -> keys.PrivateKey | None:
        try:
            return keys.from_pem(self.files[file], passphrase)
        except KeyError:
            self.found.append(f"{self.name(file)} is missing")
        except Refused as error:
            self.found.append(f"{self.name(file)} cannot be used: {error}")
        return None


def names_in(files: Mapping[str, object]) -> Names | None:
    """Whose file names these are; None when they are no CA's."""
    return next((names for names in (ISTIO, KUBERNETES) if names.certificate in files or names.key in files), None)


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a CA in ``folder``, by name; empty when there is none."""
    wanted = {*ISTIO.all, *KUBERNETES.all}
    return {name: (folder / name).read_bytes() for name in sorted(wanted) if (folder / name).is_file()}


def load_folder(folder: Path, now: datetime, passphrase: bytes | None = None) -> PluggedIn:
    """The CA in ``folder``, under istio's names or Kubernetes'. Errors: Unusable, with every fault there is."""
    found = load(read_folder(folder), now, str(folder), passphrase)
    exposed = tuple(
        f"{folder / name} can be read by every user of this machine: chmod 600, or defaultMode: 0400 for a volume"
        for name in (ISTIO.key, KUBERNETES.key)
        if (folder / name).is_file() and (folder / name).stat().st_mode & stat.S_IROTH
    )
    return PluggedIn(found.issuer, found.roots, (*found.warnings, *exposed))


def load(files: Mapping[str, bytes], now: datetime, where: str = "", passphrase: bytes | None = None) -> PluggedIn:
    """The CA in these files, by name; ``where`` they are, for the texts. Errors: Unusable, with all faults."""
    names = names_in(files)
    if names is None:
        raise Unusable(f"{where or 'it'} holds no CA: must have {', '.join(ISTIO.all)}; or {', '.join(KUBERNETES.all)}")
    issuer, roots = assemble(files, names, where, passphrase)
    named = [(_file(names, place, issuer, where), each) for place, each in enumerate(issuer.path)]
    clock = validity.check(named, now)
    if clock.problems:
        raise Unusable(*clock.problems)
    other = [(f"{where}/{names.roots}" if where else names.roots, each) for each in roots.roots if each != issuer.root]
    late = validity.check(other, now)
    return PluggedIn(issuer, roots.without_expired(now), (*clock.warnings, *late.problems, *late.warnings))


def assemble(
    files: Mapping[str, bytes], names: Names, where: str = "", passphrase: bytes | None = None
) -> tuple[Issuer, TrustBundle]:
    """The issuer and the roots in these files, whatever the clock says. Errors: Unusable, with every fault there is."""
    reading = _Reading(files, where)
    own = reading.certificates(names.certificate)
    key = reading.key(names.key, passphrase)
    roots = reading.certificates(names.roots)
    chain = reading.certificates(names.chain) if files.get(names.chain, b"").strip() else []
    if not own or not key or not roots:
        raise Unusable(*reading.found)
    certificate, file = own[0], reading.name(names.certificate)
    if not keys.same(key, certificate.public_key()):
        reading.found.append(
            f"{reading.name(names.key)} is not the key of {file} ({validity.subject(certificate)}): "
            "replace one of them, they must be made together"
        )
    way = path.to_root(certificate, [*own[1:], *chain], roots)
    reading.found += path.faults(way or (certificate,))
    if way is None:
        reading.found.append(_no_way(reading, names, certificate, roots))
    if reading.found or way is None:
        raise Unusable(*reading.found)
    return Issuer(way, key), TrustBundle.of(roots)


def _no_way(reading: _Reading, names: Names, certificate: x509.Certificate, roots: list[x509.Certificate]) -> str:
    between = reading.name(names.chain or names.certificate)
    trusted = ", ".join(validity.subject(root) for root in roots)
    return (
        f"{reading.name(names.certificate)} ({validity.subject(certificate)}) was issued by "
        f"{certificate.issuer.rfc4514_string()} and leads to no root in {reading.name(names.roots)} ({trusted}): "
        f"add its root there, or the intermediates between them to {between}"
    )


def _file(names: Names, place: int, issuer: Issuer, where: str) -> str:
    if place == 0:
        name = names.certificate
    elif place == len(issuer.path) - 1:
        name = names.roots
    else:
        name = names.chain or names.certificate
    return f"{where}/{name}" if where else name
