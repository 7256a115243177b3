"""What a machine needs to join the mesh: the files of its sidecar, as texts. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from xds.bootstrap.credentials import Tls, WatchedToken
from xds.bootstrap.envoy import ControlPlane, OwnPorts, bootstrap, proxy_environment
from xds.bootstrap.node import ProxyNode
from xds.model.endpoint import NOWHERE, Locality
from xds.model.families import ANY_V6, Families, families
from xds.model.interception import PROXY_ID, Interception, rules
from xds.model.proxy import AUTO_REGISTER_GROUP, SIDECAR

SECRET_MODE: Final = 0o600
BOOTSTRAP: Final = "envoy.json"
TOKEN: Final = "token"
ROOTS: Final = "root-cert.pem"
INTERCEPTION: Final = "interception.sh"
UNIT: Final = "plait-sidecar.service"
_TOKEN_SDS: Final = "control-plane-token.json"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that is to join: the group, what proves that it may, and where its control plane is.

    ``name`` is that of its WorkloadEntry; ``addresses`` are its own, first that by which others reach it. ``xds`` is
    the control plane's ``host:port`` (TLS: ``roots`` are PEM, and ``server_name`` a name of its certificate) or
    ``unix:/path``.
    """

    namespace: str
    group: str
    name: str
    addresses: tuple[str, ...]
    service_account: str
    token: str = field(repr=False)
    xds: str
    roots: str = ""
    server_name: str = ""
    locality: Locality = NOWHERE


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are on the machine: the folder of these files, and Envoy; and which traffic goes through it."""

    folder: Path
    envoy: Path = Path("/usr/local/bin/envoy")
    interception: Interception = field(default_factory=Interception)


@dataclass(frozen=True, slots=True)
class File:
    """A file's text and mode."""

    text: str = field(repr=False)
    mode: int = 0o644


def files(machine: Machine, place: Place) -> Mapping[str, File]:
    """The files of the machine's sidecar by their names; the token is its owner's only.

    Errors: ValueError where the address of the control plane is none.
    """
    token = WatchedToken(place.folder / TOKEN, place.folder / _TOKEN_SDS)
    tls = Tls(machine.server_name, place.folder / ROOTS, sds_folder=place.folder) if machine.roots else None
    node = ProxyNode(
        kind=SIDECAR,
        namespace=machine.namespace,
        name=machine.name,
        addresses=machine.addresses,
        service_account=machine.service_account,
        workload=machine.group,
        locality=machine.locality,
        metadata={AUTO_REGISTER_GROUP: machine.group},
    )
    ipv6 = families(machine.addresses) is not Families.IPV4
    ports = OwnPorts(address=ANY_V6) if ipv6 else OwnPorts()
    config = bootstrap(node, ControlPlane(machine.xds, tls, token), ports)
    made = {
        BOOTSTRAP: File(json.dumps(config, indent=1) + "\n"),
        TOKEN: File(machine.token, SECRET_MODE),
        _TOKEN_SDS: File(token.sds),
        INTERCEPTION: File(_interception(place.interception, ipv6=ipv6), 0o755),
        UNIT: File(_unit(machine, place, proxy_environment(config))),
    }
    if tls is not None:
        made[ROOTS] = File(machine.roots)
        made |= {path.name: File(text) for path, text in tls.sds_files.items()}
    return MappingProxyType(made)


_SCRIPT: Final = """\
#!/bin/sh
# Sends this machine's TCP through its sidecar (on), or no longer (off). Run as root; `on` again changes nothing.
set -eu

rules4() {{ cat <<'RULES'
{v4}
RULES
}}

rules6() {{ cat <<'RULES'
{v6}
RULES
}}

# The jumps come once; the chains are replaced as a whole, so that no connection gets by meanwhile.
on() {{
    if "$1" -w -t nat -C OUTPUT -j PLAIT_OUTPUT 2>/dev/null; then
        "$2" | grep -v -e '^-A PREROUTING ' -e '^-A OUTPUT '
    else
        "$2"
    fi | "$1-restore" --noflush
}}

off() {{
    "$1" -w -t nat -D PREROUTING -p tcp -j PLAIT_INBOUND 2>/dev/null || true
    "$1" -w -t nat -D OUTPUT -j PLAIT_OUTPUT 2>/dev/null || true
    for chain in INBOUND OUTPUT REDIRECT IN_REDIRECT; do "$1" -w -t nat -F "PLAIT_$chain" 2>/dev/null || true; done
    for chain in INBOUND OUTPUT REDIRECT IN_REDIRECT; do "$1" -w -t nat -X "PLAIT_$chain" 2>/dev/null || true; done
}}

case "${{1:-on}}" in
on) on iptables rules4 ;;
off) off iptables ;;
*) echo "usage: $0 on|off" >&2; exit 2 ;;
esac
# A machine without IPv6 has no table for it.
if ip6tables -w -t nat -L OUTPUT >/dev/null 2>&1; then
    case "${{1:-on}}" in on) on ip6tables rules6 ;; off) off ip6tables ;; esac
fi
"""


# Envoy's address towards the application, as 127.0.0.6 is, which needs no address of an interface.
_OWN_ADDRESS: Final = """\
case "${1:-on}" in
on) ip -6 address replace ::6/128 dev lo nodad ;;
off) ip -6 address delete ::6/128 dev lo 2>/dev/null || true ;;
esac
"""


def _interception(what: Interception, *, ipv6: bool) -> str:
    script = _SCRIPT.format(v4="\n".join(rules(what, 4)), v6="\n".join(rules(what, 6)))
    return script + _OWN_ADDRESS if ipv6 else script


# Rules stay while Envoy is restarted, and when it fails: what is refused by a policy must not come in by that.
_UNIT: Final = """\
[Unit]
Description=Plait sidecar of WorkloadGroup {group}
Wants=network-online.target
After=network-online.target

[Service]
User={user}
Group={user}
ExecStartPre=+/bin/chown {user}:{user} "{folder}/token"
ExecStartPre=+/bin/sh "{folder}/interception.sh" on
ExecStart={envoy} --config-path "{folder}/envoy.json" --disable-hot-restart
Restart=always
RestartSec=1
{environment}
LimitNOFILE=1048576
NoNewPrivileges=yes

[Install]
WantedBy=multi-user.target
"""


def _unit(machine: Machine, place: Place, environment: Mapping[str, str]) -> str:
    return _UNIT.format(
        group=f"{machine.namespace}/{machine.group}",
        user=PROXY_ID,
        folder=place.folder,
        envoy=place.envoy,
        environment="\n".join(f'Environment="{name}={value}"' for name, value in environment.items()),
    )
