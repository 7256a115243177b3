"""Pages at an address, by the standard library alone: to import a client of the world takes longer than the answer."""

from __future__ import annotations

import http.client
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlsplit

from xds.cli.failure import Failure, Unreachable

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})

_TIMEOUT_S: Final = 10.0
_NO_ADDRESS: Final = "{!r} is no address: must be host:port, a URL or unix:/path"


class HttpPages(ABC):
    """Pages of one place, by HTTP. Errors of every method: Unreachable; Failure where the place cannot be one."""

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body."""
        return self._ask("GET", path)

    def post(self, path: str) -> tuple[int, bytes]:
        """The same of a page that changes something, which may be asked twice."""
        return self._ask("POST", path)

    def act(self, path: str, authorization: str) -> tuple[int, bytes]:
        """The same of one that wants to know who asks: ``Authorization``."""
        return self._ask("POST", path, {"authorization": authorization} if authorization else {})

    @abstractmethod
    def _ask(self, method: str, path: str, headers: Mapping[str, str] = NO_HEADERS) -> tuple[int, bytes]: ...


class Address(HttpPages):
    """Pages at ``host:port``, a URL, or the path of a unix socket. The environment's proxies are not used."""

    def __init__(self, where: str) -> None:
        self.name = where

    def _ask(self, method: str, path: str, headers: Mapping[str, str] = NO_HEADERS) -> tuple[int, bytes]:
        connection, before = self._connection()
        try:
            connection.request(method, before + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.InvalidURL:
            raise Failure(_NO_ADDRESS.format(self.name)) from None
        except (http.client.HTTPException, OSError, UnicodeError) as error:
            raise Unreachable(
                f"no control plane answers at {self.name} ({str(error) or type(error).__name__}); start one with "
                "`plait up` or `plait serve`, or say where it is with --http or --kubeconfig"
            ) from None
        finally:
            connection.close()

    def _connection(self) -> tuple[http.client.HTTPConnection, str]:
        """What is asked there, not yet connected, and what stands before each path."""
        file = self.name.removeprefix("unix:")
        if file.startswith("/"):
            return _UnixConnection(file), ""
        url, port = _split(self.name if "://" in self.name else f"http://{self.name}")
        if not url.hostname or url.scheme not in {"http", "https"}:
            raise Failure(_NO_ADDRESS.format(self.name))
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        return kind(url.hostname, port, timeout=_TIMEOUT_S), url.path.rstrip("/")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, file: str) -> None:
        super().__init__("plait", timeout=_TIMEOUT_S)
        self._file = file

    def connect(self) -> None:
        """Connect to the file."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._file)


def _split(text: str) -> tuple[SplitResult, int | None]:
    try:
        url = urlsplit(text)
        return url, url.port
    except ValueError:
        raise Failure(_NO_ADDRESS.format(text.removeprefix("http://"))) from None
