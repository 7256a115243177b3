"""Who the echo server says it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def plain(address: str) -> str:
    """An IPv4 address as such, also when a socket of both families wrote it as ``::ffff:10.1.2.3``."""
    return address.removeprefix("::ffff:")


@dataclass(frozen=True, slots=True)
class Identity:
    """The pod, as its environment names it."""

    pod: str
    namespace: str
    version: str
    ip: str
    service_account: str

    @classmethod
    def of(cls, env: Mapping[str, str]) -> Identity:
        """The identity in POD_NAME (else HOSTNAME), POD_NAMESPACE, VERSION, POD_IP and SERVICE_ACCOUNT."""
        return cls(
            pod=env.get("POD_NAME") or env.get("HOSTNAME", ""),
            namespace=env.get("POD_NAMESPACE", ""),
            version=env.get("VERSION", ""),
            ip=env.get("POD_IP", ""),
            service_account=env.get("SERVICE_ACCOUNT", ""),
        )

    def facts(self) -> dict[str, str]:
        """The identity as every answer carries it."""
        return {
            "pod": self.pod,
            "namespace": self.namespace,
            "version": self.version,
            "ip": self.ip,
            "service_account": self.service_account,
        }
