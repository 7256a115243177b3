"""What a container runs as on this machine: its argument list and environment. Pure but for where Python is."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xds.local.pods import Container, ContainerPort, EnvVar, PodSpec
from xds.model.problem import Problems
from xds.model.refs import FieldRef

_ECHO: Final = (sys.executable, "-m", "xds.local.echo")
_FIELD: Final = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_REFERENCE: Final = re.compile(r"\$(\$|\((\w[\w.-]*)\))")


def is_echo(image: str) -> bool:
    """Whether the image is our echo server: ``plait/echo`` of any registry and tag."""
    path = image.partition("@")[0]
    head, _, last = path.rpartition("/")
    return last.partition(":")[0] == "echo" and head.rpartition("/")[2] == "plait"


def argv(container: Container, at: FieldRef, found: Problems) -> tuple[str, ...] | None:
    """The program and arguments of a container; None when it has none that could be run here.

    The image ``plait/echo`` without a command is ``plait echo`` on the declared ports: those whose name starts with
    ``grpc`` or ``tcp`` speak that, the others HTTP. Problems: container.no-command.
    """
    if container.command:
        return (*container.command, *container.args)
    if is_echo(container.image):
        return (*_ECHO, *(container.args or _echo_ports(container.ports)))
    found.add(
        at,
        "container.no-command",
        f"images are not pulled here, so container {container.name!r} ({container.image or 'no image'}) needs a "
        "`command`, or the image plait/echo",
    )
    return None


def _echo_ports(ports: tuple[ContainerPort, ...]) -> tuple[str, ...]:
    chosen: list[str] = []
    for port in ports:
        if port.protocol == "TCP":
            word = port.name.partition("-")[0]
            chosen += [f"--{word}" if word in {"grpc", "tcp"} else "--http", str(port.port)]
    return tuple(chosen) or ("--http", "8080")


def environment(
    pod: PodSpec,
    container: Container,
    addresses: tuple[str, ...],
    outside: Mapping[str, str],
    kept: tuple[str, ...] = (),
) -> dict[str, str]:
    """The environment of a container.

    Shape: from ``outside`` (ours) only PATH, LANG and what ``kept`` names; POD_NAME, POD_NAMESPACE, POD_IP, HOSTNAME,
    VERSION (the label ``version``); then the container's own, in which ``$(NAME)`` stands for a variable set before.
    """
    folder = str(Path(sys.executable).parent)
    env = {
        "PATH": f"{folder}:{outside.get('PATH', '/usr/local/bin:/usr/bin:/bin')}",
        "LANG": outside.get("LANG", "C.UTF-8"),
        "HOME": "/tmp",
        "HOSTNAME": pod.hostname or pod.name,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "POD_NAME": pod.name,
        "POD_NAMESPACE": pod.namespace,
        "POD_IP": addresses[0] if addresses else "",
        "VERSION": pod.labels.get("version", ""),
        "SERVICE_ACCOUNT": pod.service_account,
    }
    env |= {name: outside[name] for name in kept}
    for variable in container.env:
        env[variable.name] = _value(pod, variable, addresses, env)
    return env


def expand(words: tuple[str, ...], env: Mapping[str, str]) -> tuple[str, ...]:
    """Command words with ``$(NAME)`` replaced; an unknown name stays as written, ``$$`` is a dollar."""

    def replace(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else env.get(match[2], match[0])

    return tuple(_REFERENCE.sub(replace, word) for word in words)


def _value(pod: PodSpec, variable: EnvVar, addresses: tuple[str, ...], env: Mapping[str, str]) -> str:
    if not variable.field_path:
        return expand((variable.value,), env)[0]
    if match := _FIELD.fullmatch(variable.field_path):
        return (pod.labels if match[1] == "labels" else pod.annotations).get(match[2], "")
    fields = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": f"{pod.namespace}.{pod.name}",
        "spec.serviceAccountName": pod.service_account,
        "spec.nodeName": "local",
        "status.podIP": addresses[0] if addresses else "",
        "status.podIPs": ",".join(addresses),
        "status.hostIP": "127.0.0.1",
    }
    return fields.get(variable.field_path, "")
