"""AdmissionReview as the API server sends it, and what it is answered. Source: Kubernetes admission.k8s.io/v1."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

import msgspec

_VERSION: Final = "admission.k8s.io/v1"
_KIND: Final = "AdmissionReview"
# What the API server passes on of warnings: longer ones are cut, and more are left out.
_WARNING_CHARACTERS: Final = 256
_WARNINGS_CHARACTERS: Final = 4096
_MESSAGE_CHARACTERS: Final = 16 * 1024
_NOT_PRINTED: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class NoReview(ValueError):
    """The body is no AdmissionReview that can be answered; the text says why, and what would be right."""


class GroupVersionKind(msgspec.Struct, frozen=True):
    """What kind of object is written."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(msgspec.Struct, frozen=True):
    """Who writes it."""

    username: str = ""


class AdmissionRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is asked for. ``object`` is what shall be stored, ``old_object`` what is; JSON types, None where absent."""

    uid: str
    operation: Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]
    kind: GroupVersionKind = GroupVersionKind()
    sub_resource: str = ""
    namespace: str = ""
    name: str = ""
    user_info: UserInfo = UserInfo()
    object: dict[str, Any] | None = None
    old_object: dict[str, Any] | None = None
    dry_run: bool | None = None

    @property
    def subject(self) -> str:
        """The object, as findings name it."""
        return " ".join(filter(None, (self.kind.kind, "/".join(filter(None, (self.namespace, self.name or "?"))))))


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""
    request: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True)
class Review:
    """A request, and the ``key``, ``value`` pairs in the path that it was sent to."""

    request: AdmissionRequest
    pairs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it may be, with a JSON patch (RFC 6902) of the object; or why not, as ``code``, ``reason`` and text."""

    allowed: bool = True
    patch: Sequence[Mapping[str, Any]] = ()
    warnings: tuple[str, ...] = ()
    message: str = ""
    code: int = HTTPStatus.OK
    reason: str = ""


def denied(code: HTTPStatus, reason: str, message: str, warnings: tuple[str, ...] = ()) -> Answer:
    """No, with that status; ``reason`` is one of Kubernetes' words for it, such as ``Invalid``."""
    return Answer(allowed=False, code=code, reason=reason, message=message, warnings=warnings)


def decode(body: bytes, pairs: Mapping[str, str]) -> Review:
    """The review in ``body``. Errors: NoReview."""
    try:
        envelope = msgspec.json.decode(body, type=_Envelope)
        if envelope.kind != _KIND or not envelope.api_version.startswith("admission.k8s.io/"):
            raise NoReview(f"must be an {_KIND} of {_VERSION}, as the API server sends it")
        if envelope.api_version != _VERSION:
            raise NoReview(
                f"{_KIND} of {envelope.api_version} is not spoken, only {_VERSION}: the webhook's "
                "admissionReviewVersions must be [v1]"
            )
        if bytes(envelope.request) == b"null":
            raise NoReview("request is required")
        request = msgspec.json.decode(envelope.request, type=AdmissionRequest)
    except msgspec.MsgspecError as error:
        raise NoReview(f"is no {_KIND}: {error}") from None
    except RecursionError:
        raise NoReview("is nested too deep") from None
    if request.operation in {"CREATE", "UPDATE"} and request.object is None:
        raise NoReview(f"request.object is required for {request.operation}")
    return Review(request, pairs)


def encode(review: Review, answer: Answer) -> bytes:
    """The AdmissionReview that answers ``review``."""
    response: dict[str, Any] = {"uid": review.request.uid, "allowed": answer.allowed}
    if answer.patch:
        response["patchType"] = "JSONPatch"
        response["patch"] = base64.b64encode(msgspec.json.encode(answer.patch)).decode()
    if answer.warnings:
        response["warnings"] = warnings(answer.warnings)
    if not answer.allowed:
        message = answer.message
        if len(message) > _MESSAGE_CHARACTERS:
            message = f"{message[:_MESSAGE_CHARACTERS]}..."
        response["status"] = {"code": int(answer.code), "reason": answer.reason, "message": message}
    return msgspec.json.encode({"apiVersion": _VERSION, "kind": _KIND, "response": response})


def warnings(texts: Iterable[str]) -> list[str]:
    """``texts`` as the API server takes them: each once, on one line, and no more than it passes on."""
    found: list[str] = []
    left = _WARNINGS_CHARACTERS
    lines = list(dict.fromkeys(_NOT_PRINTED.sub(" ", text).strip() for text in texts))
    for number, line in enumerate(lines):
        short = line if len(line) <= _WARNING_CHARACTERS else f"{line[: _WARNING_CHARACTERS - 3]}..."
        if len(short) > left - 32:
            found.append(f"and {len(lines) - number} more")
            break
        found.append(short)
        left -= len(short)
    return found


def pairs(path: str) -> dict[str, str]:
    """The pairs in ``cluster/a/net/b``; ``--slash--`` in a value is a slash. Errors: NoReview when one has no value.

    Source: istio-semantics 2.11.
    """
    words = [word.replace("--slash--", "/") for word in path.strip("/").split("/")] if path.strip("/") else []
    if len(words) % 2:
        raise NoReview(f"the path must be /inject/key/value/...: {words[-1]!r} has no value")
    return dict(zip(words[::2], words[1::2], strict=True))
