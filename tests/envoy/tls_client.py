"""A client of TLS inside a pod that has no sidecar: it presents what certificate it likes, and says what it saw."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from ca.authority import Issued
from xds.local.mesh import LocalMesh
from xds.local.pods import PodKey

# Reads a JSON object from its input; the server's certificate is not looked at, as an intruder would not.
_PROGRAM = """
import json, os, socket, ssl, sys, tempfile
asked = json.load(sys.stdin)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.set_alpn_protocols(["istio-http/1.1", "istio", "http/1.1"])
if asked["chain"]:
    with tempfile.NamedTemporaryFile("w") as pair:
        pair.write(asked["key"] + asked["chain"])
        pair.flush()
        context.load_cert_chain(pair.name)
status, failed = 0, ""
try:
    with socket.create_connection((asked["host"], asked["port"]), 10) as plain:
        with context.wrap_socket(plain, server_hostname="outbound_.80_._.web.shop.svc.cluster.local") as secure:
            secure.sendall(b"GET / HTTP/1.1\\r\\nhost: web.shop\\r\\nconnection: close\\r\\n\\r\\n")
            line = secure.recv(65536).split(b"\\r\\n")[0]
            status = int(line.split()[1]) if line.startswith(b"HTTP/") else 0
            failed = "" if status else "closed"
except OSError as error:
    failed = f"{type(error).__name__}: {error}"
print(json.dumps({"status": status, "failed": failed}))
"""


@dataclass(frozen=True)
class Seen:
    """The status of the answer, or why there was none."""

    status: int
    failed: str


async def call(mesh: LocalMesh, pod: PodKey, where: tuple[str, int], certificate: Issued | None) -> Seen:
    """What a request over TLS from the pod gets, with that certificate or none."""
    asked = {
        "host": where[0],
        "port": where[1],
        "chain": certificate.certificate_chain.decode() if certificate else "",
        "key": certificate.private_key.decode() if certificate else "",
    }
    done = await mesh.exec(pod, [sys.executable, "-c", _PROGRAM], text=json.dumps(asked))
    assert done.returncode == 0, done.stderr
    return Seen(**json.loads(done.stdout))
