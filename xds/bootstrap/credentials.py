"""What a proxy presents to its control plane and what it trusts there, in Envoy's words: files, watched. Pure.

Envoy takes a file anew without a restart only when a secret of a *file-based SDS* names it (envoy-facts 4, 5), so each
credential has a small SDS file beside it. Where these are written is the caller's matter; here is what they hold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

_TYPE: Final = "type.googleapis.com/"
_SECRET: Final = _TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret"
_TOKEN: Final = "control-plane-token"
_CERTIFICATE: Final = "control-plane-certificate"
_TRUST: Final = "control-plane-trust"


@dataclass(frozen=True, slots=True)
class WatchedToken:
    """A token in ``file``, presented as ``authorization: Bearer``; ``sds_file`` holds ``sds``.

    A new one is taken when it is renamed into place, and presented at the next connect.
    """

    file: Path
    sds_file: Path

    @property
    def sds(self) -> str:
        """The text of ``sds_file``; nothing of it is secret."""
        return _sds(_TOKEN, {"generic_secret": {"secret": _watched(self.file)}})

    def http_filters(self) -> list[Json]:
        """The filters of a cluster that put the token into each request."""
        credential = {
            "@type": _TYPE + "envoy.extensions.http.injected_credentials.generic.v3.Generic",
            "header": "authorization",
            "header_value_prefix": "Bearer ",
            "credential": _by_sds(_TOKEN, self.sds_file, self.file),
        }
        injector = {
            "@type": _TYPE + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": True,
            "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": credential},
        }
        codec = {"@type": _TYPE + "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}
        return [
            {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
            {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
        ]


@dataclass(frozen=True, slots=True)
class Tls:
    """How a proxy trusts its control plane and proves who it is; a certificate and its key go together, or neither is.

    ``server_name`` must be a DNS name of the control plane's certificate. With ``sds_folder`` all files are watched:
    it holds ``sds_files``.
    """

    server_name: str
    ca_file: Path
    certificate_file: Path | None = None
    key_file: Path | None = None
    sds_folder: Path | None = None

    @property
    def sds_files(self) -> dict[Path, str]:
        """The text of each file in ``sds_folder``; nothing of it is secret. Empty without that folder."""
        if self.sds_folder is None:
            return {}
        trust = {"validation_context": {"trusted_ca": _watched(self.ca_file)}}
        files = {self.sds_folder / f"{_TRUST}.json": _sds(_TRUST, trust)}
        if self.certificate_file and self.key_file:
            pair = {
                **_pair(self.certificate_file, self.key_file),
                "watched_directory": {"path": str(self.certificate_file.parent)},
            }
            files[self.sds_folder / f"{_CERTIFICATE}.json"] = _sds(_CERTIFICATE, {"tls_certificate": pair})
        return files

    def transport_socket(self) -> Json:
        """The ``transport_socket`` of the control plane's cluster."""
        kind = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        context = self._validation() | self._certificate()
        typed = {"@type": _TYPE + kind, "sni": self.server_name, "common_tls_context": context}
        return {"name": "envoy.transport_sockets.tls", "typed_config": typed}

    def _validation(self) -> Json:
        names = {"match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": self.server_name}}]}
        if self.sds_folder is None:
            return {"validation_context": {"trusted_ca": {"filename": str(self.ca_file)}, **names}}
        trust = _by_sds(_TRUST, self.sds_folder / f"{_TRUST}.json", self.ca_file)
        combined = {"default_validation_context": names, "validation_context_sds_secret_config": trust}
        return {"combined_validation_context": combined}

    def _certificate(self) -> Json:
        if not self.certificate_file or not self.key_file:
            return {}
        if self.sds_folder is None:
            return {"tls_certificates": [_pair(self.certificate_file, self.key_file)]}
        config = _by_sds(_CERTIFICATE, self.sds_folder / f"{_CERTIFICATE}.json", self.certificate_file)
        return {"tls_certificate_sds_secret_configs": [config]}


def _pair(certificate: Path, key: Path) -> Json:
    return {"certificate_chain": {"filename": str(certificate)}, "private_key": {"filename": str(key)}}


def _watched(file: Path) -> Json:
    return {"filename": str(file), "watched_directory": {"path": str(file.parent)}}


def _by_sds(name: str, sds_file: Path, watched: Path) -> Json:
    """An SdsSecretConfig whose secret is in a file, read again when the folder of the watched one changes."""
    source = {"path": str(sds_file), "watched_directory": {"path": str(watched.parent)}}
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": source}}


def _sds(name: str, secret: Json) -> str:
    return json.dumps({"resources": [{"@type": _SECRET, "name": name, **secret}]}, indent=1) + "\n"
