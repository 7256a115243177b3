"""``plait serve`` put together from its settings: whom it trusts, its CA, the control plane."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ca.directory_store import DirectoryStore
from ca.errors import CaError
from xds.app import ControlPlane
from xds.callers.authenticate import Authenticator, Certificates, Way
from xds.model.identity import TrustDomains
from xds.plugged_in import PluggedInFiles
from xds.settings import SettingError, Settings
from xds.sources.changes import Source
from xds.token_issuer import TokenIssuer
from xds.trust import NOBODY, Trust


class CannotServe(Exception):
    """Why it cannot start, in words for the operator: one sentence for each thing that is wrong."""


async def serve(settings: Settings, sources: Sequence[Source], started: Callable[[], None]) -> None:
    """Serve for ever; ``started`` is called once the first generation is served. Errors: CannotServe, OSError."""
    try:
        async with ControlPlane(settings, sources, trust(settings, os.environ)) as control_plane:
            started()
            await control_plane.wait()
    except (CaError, SettingError) as error:
        raise CannotServe(str(error)) from error


def trust(settings: Settings, environment: Mapping[str, str]) -> Trust:
    """Whom a control plane of these settings trusts; nobody where it has neither a CA nor an issuer of tokens.

    Errors: SettingError for keys of tokens that are none; OSError for a file that cannot be read.
    """
    over_tls = bool(settings.xds or settings.xds_mtls)
    with_ca = over_tls or settings.ca_dir is not None or settings.plugged_in_ca is not None
    if not with_ca and not settings.token_issuer:
        return NOBODY
    own = TrustDomains()  # until the mesh's settings are known
    certificates, issuer = Certificates(own.all), _issuer(settings, own)
    ways: list[Way] = [certificates] if issuer is None else [certificates, issuer.tokens]
    if not with_ca:
        return Trust(Authenticator(ways), certificates=certificates, issuer=issuer)
    passphrase = None if settings.ca_passphrase_file is None else _passphrase(settings.ca_passphrase_file)
    plugged_in = None if settings.plugged_in_ca is None else PluggedInFiles(settings.plugged_in_ca, passphrase)
    store = DirectoryStore(settings.ca_dir or default_ca_dir(environment), passphrase)
    return Trust(Authenticator(ways), store, plugged_in, certificates, issuer)


def default_ca_dir(environment: Mapping[str, str]) -> Path:
    """Where the CA is kept when nobody says: ``plait/ca`` in the user's folder for state (XDG)."""
    state = environment.get("XDG_STATE_HOME", "")
    return (Path(state) if state.startswith("/") else Path.home() / ".local" / "state") / "plait" / "ca"


def _issuer(settings: Settings, own: TrustDomains) -> TokenIssuer | None:
    if not settings.token_issuer:
        return None
    try:
        return TokenIssuer(settings.token_issuer, settings.token_keys, own.own, settings.jwks_refresh)
    except ValueError as error:
        raise SettingError(f"token_keys: {error}") from None


def _passphrase(file: Path) -> bytes:
    """What the file holds, without the end of its line. Errors: SettingError when that is nothing."""
    found = file.read_bytes().rstrip(b"\r\n")
    if not found:
        raise SettingError(f"ca_passphrase_file: {file} is empty")
    return found
