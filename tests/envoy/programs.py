"""Small programs that tests run in pods: servers and clients that no library speaks as awkwardly as they do."""

from __future__ import annotations

import sys
from typing import Final

UDP_ECHO: Final = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
while True:
    data, peer = s.recvfrom(2048)
    s.sendto(b"echo " + data, peer)
"""

UDP_CLIENT: Final = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
print(s.recv(2048).decode())
"""

# Reads until the client has closed its half, and answers only then.
AFTER_EOF: Final = """
import socket, threading
listening = socket.create_server(("0.0.0.0", 9001))
def serve(peer):
    with peer:
        size = 0
        while data := peer.recv(65536):
            size += len(data)
        peer.sendall(b"%d bytes" % size)
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""

HALF_CLOSING: Final = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10) as peer:
    peer.sendall(b"x" * 1_000_000)
    peer.shutdown(socket.SHUT_WR)
    answer = b""
    while data := peer.recv(65536):
        answer += data
    print(answer.decode())
"""

SMTP_CLIENT: Final = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20) as server:
    print(server.ehlo()[1].split()[0].decode())
    print(server.sendmail("a@example.com", ["b@example.com"], "Subject: hello\\r\\n\\r\\nhello"))
"""


def python(program: str, *arguments: str) -> list[str]:
    """The command that runs a program."""
    return [sys.executable, "-c", program, *arguments]
