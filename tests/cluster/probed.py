"""Two pods that the kubelet probes in all ways: one that is well, one that is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.pods import Json, echo, pod

_OFTEN: Final[Json] = {"periodSeconds": 1, "failureThreshold": 30}
_NAME: Final = "web.example"


def well() -> tuple[Json, ...]:
    """The pod "probed" of five containers, by the kinds of their probes, and its Secret."""
    headers = [{"name": "x-request-key", "value": "probe"}, {"name": "Host", "value": _NAME}]
    get: Json = {"path": "/up?deep=yes", "port": "http", "httpHeaders": headers}
    files = {"volumeMounts": [{"name": "tls", "mountPath": "/tls"}], "workingDir": "/tls"}
    connect = ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 8083), 1)"]
    http = echo(
        "http", "--http", "8080", ports=[{"name": "http", "containerPort": 8080}], livenessProbe={"httpGet": get}
    )
    https = echo("https", "--https", "8443", "--tls", "certificate", "key", **files)
    of = pod(
        "probed",
        http | _probe(httpGet=get),
        https | _probe(httpGet={"path": "/", "port": 8443, "scheme": "HTTPS"}),
        echo("tcp", "--tcp", "8082") | _probe(tcpSocket={"port": 8082}),
        echo("grpc", "--grpc", "8081") | _probe(grpc={"port": 8081}),
        echo("exec", "--tcp", "8083") | _probe(exec={"command": connect}, timeoutSeconds=5),
        volumes=[{"name": "tls", "secret": {"secretName": "tls"}}],
    )
    return _secret("tls"), of


def unwell() -> Json:
    """The pod "unwell": an application that says 503, one that does not listen, and one that speaks no gRPC."""
    return pod(
        "unwell",
        echo("ill", "--http", "8080") | _probe(httpGet={"path": "/?status=503", "port": 8080}),
        echo("shut", "--http", "8081") | _probe(tcpSocket={"port": 8099}),
        echo("mute", "--tcp", "8082") | _probe(grpc={"port": 8082}),
    )


def _probe(**fields: object) -> Json:
    return {"readinessProbe": {**_OFTEN, **fields}}


def _secret(name: str) -> Json:
    """A Secret with a key and the certificate that nobody but itself vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain, pem = serialization.NoEncryption(), serialization.Encoding.PEM
    files = {
        "certificate": certificate.public_bytes(pem).decode(),
        "key": key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode(),
    }
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": files}
