"""What makes a pod's traffic go through its proxy: rules set by an init container, or by an agent on the node."""

from __future__ import annotations

from typing import Final

from xds.model.interception import Interception, rules
from xds.webhooks.inject.plain import Json
from xds.webhooks.inject.settings import InjectionSettings
from xds.webhooks.inject.subject import INIT, VALIDATION
from xds.webhooks.inject.variables import escaped

# Rules are set once: a restarted container finds them. IPv6 may be missing from the kernel where no address has it
# (scope 00 is global). ::6 is Envoy's address towards the application, as 127.0.0.6 is; that one needs no address.
_SCRIPT: Final = """\
set -eu
load() {
  if "$1tables" -t nat -n -L PLAIT_OUTPUT >/dev/null 2>&1; then return 0; fi
  printf '%s\\n' "$2" | "$1tables-restore" --noflush --wait
}
has_ipv6() {
  [ -r /proc/net/if_inet6 ] || return 1
  while read -r address index prefix scope rest; do
    if [ "$scope" = 00 ]; then return 0; fi
  done < /proc/net/if_inet6
  return 1
}
load ip "$1"
if has_ipv6; then
  load ip6 "$2"
  ip -6 address replace ::6/128 dev lo nodad
else
  load ip6 "$2" || echo "no IPv6 here: only IPv4 is redirected" >&2
fi
"""


def init_container(what: Interception, settings: InjectionSettings) -> Json:
    """The container that sets the rules."""
    texts = ["\n".join(rules(what, version)) for version in (4, 6)]
    return {
        "name": INIT,
        "image": settings.init_image,
        "command": ["/bin/sh", "-c", escaped(_SCRIPT), INIT],
        "args": [escaped(text) for text in texts],
        # The root file system is read-only, and the lock of the older iptables is a file.
        "env": [{"name": "XTABLES_LOCKFILE", "value": "/dev/shm/xtables.lock"}],
        "resources": _resources(settings),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_RAW"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsGroup": 0,
            "runAsNonRoot": False,
            "runAsUser": 0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def validation_container(settings: InjectionSettings) -> Json:
    """The container that waits until the node's agent has set them: until a connection of its own is redirected."""
    return {
        "name": VALIDATION,
        "image": settings.node_agent_image,
        "command": ["python3", "-m", "xds.cni.await_redirect"],
        "resources": _resources(settings),
        "securityContext": unprivileged(),
    }


def unprivileged() -> Json:
    """The security context of what needs no rights: fit for namespaces whose pod security is ``restricted``."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsGroup": 1337,
        "runAsNonRoot": True,
        "runAsUser": 1337,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _resources(settings: InjectionSettings) -> Json:
    return {kind: dict(amounts) for kind, amounts in settings.resources.items()}
