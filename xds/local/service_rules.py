"""The NAT rules that make ClusterIPs reachable without a sidecar (a cluster's kube-proxy). Pure.

They stand once, in the node's network namespace: every pod's packets are routed through it, so no pod needs any.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Final

from xds.local.services import LocalService, ServicePort

# Packets of a pod that reaches itself through a service: their source is rewritten, or the pod would drop them.
_HAIRPIN_MARK: Final = "0x4000"
_PROTOCOLS: Final = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}
# A port of the node that nothing listens on: what is sent there is refused at once.
_CLOSED_PORT: Final = 1


def base_rules(node: str, inside: Sequence[str], egress_port: int = 0) -> list[str]:
    """Restore input that is loaded once into the node: the chains, the hairpin masquerade, the way out.

    ``egress_port`` of the address ``node`` is where TCP to all but the networks ``inside`` is sent (see ``egress.py``);
    0 sends it nowhere.
    """
    lines = ["*nat", ":PLAIT_SERVICES - [0:0]", ":PLAIT_EGRESS - [0:0]"]
    lines += ["-A PREROUTING -j PLAIT_SERVICES", "-A OUTPUT -j PLAIT_SERVICES"]
    if egress_port:
        # DNAT, as the ends of the pods' links have no address of their own, which REDIRECT would look for.
        lines += ["-A PREROUTING -p tcp -j PLAIT_EGRESS"]
        lines += [f"-A PLAIT_EGRESS -d {network} -j RETURN" for network in inside]
        lines += [f"-A PLAIT_EGRESS -p tcp -j DNAT --to-destination {_target(node, egress_port)}"]
    lines += [f"-A POSTROUTING -m mark --mark {_HAIRPIN_MARK} -j MASQUERADE", "COMMIT"]
    return lines


def service_rules(node: str, services: Iterable[LocalService], unused: str = "") -> list[str]:
    """Input of ``iptables-restore --noflush`` that replaces all services' rules in one step.

    A port with backends is spread evenly over them, connection by connection; one without refuses connections, and so
    does what no service has of the network ``unused``. Rules are made for the address family of ``node``.
    """
    version = ip_address(node).version
    lines = ["*nat", "-F PLAIT_SERVICES"]
    for service in sorted(services, key=lambda s: (s.namespace, s.name)):
        for address in service.cluster_ips:
            if ip_address(address).version == version:
                lines += [line for port in service.ports for line in _port(node, address, port)]
    if unused:
        refuse = f"DNAT --to-destination {_target(node, _CLOSED_PORT)}"
        lines += [f"-A PLAIT_SERVICES -d {unused} -p {protocol} -j {refuse}" for protocol in ("tcp", "udp")]
    return [*lines, "COMMIT"]


def _port(node: str, address: str, port: ServicePort) -> list[str]:
    version = ip_address(address).version
    backends = sorted(backend for backend in port.backends if ip_address(backend[0]).version == version)
    match = f"-A PLAIT_SERVICES -d {address} -p {_PROTOCOLS[port.protocol]} --dport {port.port}"
    if not backends:
        return [f"{match} -j DNAT --to-destination {_target(node, _CLOSED_PORT)}"]
    lines = [f"{match} -s {ip} -j MARK --set-mark {_HAIRPIN_MARK}" for ip in sorted({ip for ip, _ in backends})]
    for left, (ip, target) in zip(range(len(backends), 0, -1), backends, strict=True):
        share = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        lines.append(f"{match}{share} -j DNAT --to-destination {_target(ip, target)}")
    return lines


def _target(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
