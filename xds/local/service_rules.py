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


def base_rules(inside: Sequence[str], egress: str = "") -> list[str]:
    """Restore input that is loaded once into the node: the chains, the hairpin masquerade, the way out.

    ``egress`` is the ``address:port`` that TCP to all but the networks ``inside`` is sent to (see ``egress.py``).
    """
    lines = ["*nat", ":PLAIT_SERVICES - [0:0]", ":PLAIT_EGRESS - [0:0]"]
    lines += ["-A PREROUTING -j PLAIT_SERVICES", "-A OUTPUT -j PLAIT_SERVICES"]
    if egress:
        # DNAT, as the ends of the pods' links have no address of their own, which REDIRECT would look for.
        lines += ["-A PREROUTING -p tcp -j PLAIT_EGRESS"]
        lines += [f"-A PLAIT_EGRESS -d {network} -j RETURN" for network in inside]
        lines.append(f"-A PLAIT_EGRESS -p tcp -j DNAT --to-destination {egress}")
    lines += [f"-A POSTROUTING -m mark --mark {_HAIRPIN_MARK} -j MASQUERADE", "COMMIT"]
    lines += ["*filter", ":PLAIT_REJECT - [0:0]", "-A FORWARD -j PLAIT_REJECT", "-A OUTPUT -j PLAIT_REJECT", "COMMIT"]
    return lines


def service_rules(services: Iterable[LocalService], version: int = 4) -> list[str]:
    """Input of ``iptables-restore --noflush`` that replaces all services' rules in one step.

    A port with backends is spread evenly over them, connection by connection; one without refuses connections.
    """
    nat: list[str] = []
    reject: list[str] = []
    for service in sorted(services, key=lambda s: (s.namespace, s.name)):
        for address in service.cluster_ips:
            if ip_address(address).version != version:
                continue
            for port in service.ports:
                nat += _spread(address, port, version)
                if not _fitting(port, version):
                    reject += _refuse(address, port, version)
    return [
        *("*nat", "-F PLAIT_SERVICES", *nat, "COMMIT"),
        *("*filter", "-F PLAIT_REJECT", *reject, "COMMIT"),
    ]


def _fitting(port: ServicePort, version: int) -> list[tuple[str, int]]:
    return sorted(backend for backend in port.backends if ip_address(backend[0]).version == version)


def _match(address: str, port: ServicePort) -> str:
    return f"-d {address} -p {_PROTOCOLS[port.protocol]} --dport {port.port}"


def _spread(address: str, port: ServicePort, version: int) -> list[str]:
    backends = _fitting(port, version)
    match = f"-A PLAIT_SERVICES {_match(address, port)}"
    lines = [f"{match} -s {ip} -j MARK --set-mark {_HAIRPIN_MARK}" for ip in sorted({ip for ip, _ in backends})]
    for left, (ip, target) in zip(range(len(backends), 0, -1), backends, strict=True):
        share = f" -m statistic --mode random --probability {1 / left:.10f}" if left > 1 else ""
        host = f"[{ip}]" if version == 6 else ip
        lines.append(f"{match}{share} -j DNAT --to-destination {host}:{target}")
    return lines


def _refuse(address: str, port: ServicePort, version: int) -> list[str]:
    match = f"-A PLAIT_REJECT {_match(address, port)}"
    if port.protocol == "TCP":
        return [f"{match} -j REJECT --reject-with tcp-reset"]
    return [f"{match} -j REJECT --reject-with {'icmp6' if version == 6 else 'icmp'}-port-unreachable"]
