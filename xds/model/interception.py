"""The iptables rules that send a pod's traffic through its sidecar. Pure: settings in, iptables-restore input out.

Istio's REDIRECT mode: outbound TCP to 15001, inbound TCP to 15006. What user or group 1337 (Envoy) sends is left alone,
and so is UDP. Source: istio-semantics 2.10, envoy-facts 10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from xds.model.problem import Problems, Severity
from xds.model.refs import FieldRef

PREFIX: Final = "traffic.sidecar.istio.io/"
MODE: Final = "sidecar.istio.io/interceptionMode"
ANNOTATION: Final = "sidecar.plait/interception"
"""What tells an agent on the pod's node what to take in: an ``Interception`` as JSON, without what is as usual."""
PROXY_ID: Final = 1337
OUTBOUND_PORT: Final = 15001
INBOUND_PORT: Final = 15006
# Envoy's own listeners: metrics, health, and istio's merged metrics, which must be reachable without the mesh.
OWN_PORTS: Final = (15090, 15021, 15020)
# The address Envoy binds when it passes inbound connections on to the application (istio's choice).
_PASSTHROUGH: Final = {4: "127.0.0.6/32", 6: "::6/128"}
_INTERFACE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
_LOOPBACK: Final = {4: "127.0.0.1/32", 6: "::1/128"}


@dataclass(frozen=True, slots=True)
class Interception:
    """Which traffic of a pod goes through Envoy.

    ``inbound_ports`` and ``outbound_networks`` None mean all; ``outbound_ports`` are added to the networks. What goes
    in or out by ``excluded_interfaces`` is left alone.
    """

    inbound_ports: tuple[int, ...] | None = None
    excluded_inbound_ports: tuple[int, ...] = ()
    outbound_networks: tuple[str, ...] | None = None
    excluded_networks: tuple[str, ...] = ()
    outbound_ports: tuple[int, ...] = ()
    excluded_outbound_ports: tuple[int, ...] = ()
    excluded_interfaces: tuple[str, ...] = ()

    def captures(self, port: int) -> bool:
        """Whether connections to a port of the pod come in by Envoy."""
        wanted = self.inbound_ports is None or port in self.inbound_ports
        return wanted and port not in (*OWN_PORTS, *self.excluded_inbound_ports)


def interception(annotations: Mapping[str, str], at: FieldRef, found: Problems) -> Interception | None:
    """What the pod's annotations ask for; None when ``interceptionMode`` is NONE. ``at`` is the pod's annotations.

    Problems: interception.port, interception.network and interception.interface (the entry is left out),
    interception.mode.
    """
    mode = annotations.get(MODE, "REDIRECT")
    if mode == "NONE":
        return None
    if mode != "REDIRECT":
        message = f"only REDIRECT and NONE work here, is {mode!r}; REDIRECT is used"
        found.add(at.key(MODE), "interception.mode", message, Severity.WARNING)

    def ports(word: str) -> tuple[int, ...] | None:
        return _ports(annotations.get(PREFIX + word, ""), at.key(PREFIX + word), found)

    def networks(word: str) -> tuple[str, ...] | None:
        return _networks(annotations.get(PREFIX + word, ""), at.key(PREFIX + word), found)

    everything = PREFIX + "includeOutboundIPRanges" not in annotations
    return Interception(
        inbound_ports=ports("includeInboundPorts") if PREFIX + "includeInboundPorts" in annotations else None,
        excluded_inbound_ports=ports("excludeInboundPorts") or (),
        outbound_networks=None if everything else networks("includeOutboundIPRanges"),
        excluded_networks=networks("excludeOutboundIPRanges") or (),
        outbound_ports=ports("includeOutboundPorts") or (),
        excluded_outbound_ports=ports("excludeOutboundPorts") or (),
        excluded_interfaces=_interfaces(annotations, at, found),
    )


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _ports(text: str, at: FieldRef, found: Problems) -> tuple[int, ...] | None:
    """The ports of a comma list; None for ``*``."""
    if text.strip() == "*":
        return None
    ports: list[int] = []
    for word in _words(text):
        if word.isdecimal() and 0 < int(word) < 65536:
            ports.append(int(word))
        else:
            found.add(at, "interception.port", f"{word!r} is no port: must be a number from 1 to 65535")
    return tuple(ports)


def _networks(text: str, at: FieldRef, found: Problems) -> tuple[str, ...] | None:
    """The networks of a comma list; None for ``*``."""
    if text.strip() == "*":
        return None
    networks: list[str] = []
    for word in _words(text):
        try:
            networks.append(network(word))
        except ValueError:
            found.add(at, "interception.network", f"{word!r} is no network: must be like 10.1.0.0/16")
    return tuple(networks)


def network(text: str) -> str:
    """The network as rules have it: digits, dots, colons and a slash, nothing else. Errors: ValueError."""
    if "%" in text:  # what follows is a zone, in which Python lets anything stand: lines, too
        raise ValueError(f"{text!r} has a zone")
    return str(ip_network(text, strict=False))


def _interfaces(annotations: Mapping[str, str], at: FieldRef, found: Problems) -> tuple[str, ...]:
    interfaces: list[str] = []
    for word in _words(annotations.get(PREFIX + "excludeInterfaces", "")):
        if _INTERFACE.fullmatch(word):
            interfaces.append(word)
        else:
            message = f"{word!r} is no network interface: must be like eth1"
            found.add(at.key(PREFIX + "excludeInterfaces"), "interception.interface", message)
    return tuple(interfaces)


def rules(what: Interception, version: int = 4) -> list[str]:
    """Input lines of ``iptables-restore`` (version 4) or ``ip6tables-restore`` (6) for a pod's network namespace."""
    lines = ["*nat", *(f":PLAIT_{name} - [0:0]" for name in ("INBOUND", "OUTPUT", "REDIRECT", "IN_REDIRECT"))]
    lines += [
        f"-A PLAIT_REDIRECT -p tcp -j REDIRECT --to-ports {OUTBOUND_PORT}",
        f"-A PLAIT_IN_REDIRECT -p tcp -j REDIRECT --to-ports {INBOUND_PORT}",
        "-A PREROUTING -p tcp -j PLAIT_INBOUND",
        "-A OUTPUT -j PLAIT_OUTPUT",
    ]
    return [*lines, *_inbound(what), *_outbound(what, version), "COMMIT"]


def _inbound(what: Interception) -> list[str]:
    chain = "-A PLAIT_INBOUND -p tcp"
    lines = [f"-A PLAIT_INBOUND -i {interface} -j RETURN" for interface in what.excluded_interfaces]
    lines += [f"{chain} --dport {port} -j RETURN" for port in (*OWN_PORTS, *what.excluded_inbound_ports)]
    if what.inbound_ports is None:
        return [*lines, f"{chain} -j PLAIT_IN_REDIRECT"]
    return [*lines, *(f"{chain} --dport {port} -j PLAIT_IN_REDIRECT" for port in what.inbound_ports)]


def _outbound(what: Interception, version: int) -> list[str]:
    chain, loopback = "-A PLAIT_OUTPUT", _LOOPBACK[version]
    lines = [f"{chain} -o {interface} -j RETURN" for interface in what.excluded_interfaces]
    lines += [f"{chain} -p tcp --dport {port} -j RETURN" for port in what.excluded_outbound_ports]
    lines.append(f"{chain} -s {_PASSTHROUGH[version]} -o lo -j RETURN")
    for kind in ("uid", "gid"):
        # A pod that calls its own service: Envoy's upstream leg over lo must enter by the inbound side.
        own = f"-m owner --{kind}-owner {PROXY_ID}"
        lines.append(f"{chain} ! -d {loopback} -o lo -p tcp {own} -j PLAIT_IN_REDIRECT")
        lines.append(f"{chain} -o lo -m owner ! --{kind}-owner {PROXY_ID} -j RETURN")
        lines.append(f"{chain} {own} -j RETURN")
    lines.append(f"{chain} -d {loopback} -j RETURN")
    lines += [f"{chain} -d {network} -j RETURN" for network in what.excluded_networks if _fits(network, version)]
    lines += [f"{chain} -p tcp --dport {port} -j PLAIT_REDIRECT" for port in what.outbound_ports]
    if what.outbound_networks is None:
        lines.append(f"{chain} -p tcp -j PLAIT_REDIRECT")
    else:
        fitting = [network for network in what.outbound_networks if _fits(network, version)]
        lines += [f"{chain} -p tcp -d {network} -j PLAIT_REDIRECT" for network in fitting]
    return lines


def _fits(network: str, version: int) -> bool:
    return ip_network(network).version == version
