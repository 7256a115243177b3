"""The messages of ``istio.v1.auth.IstioCertificateService``, described here: three fields in, one out.

They live in a descriptor pool of their own, so that a program may load istio's own descriptions beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol, cast

from google.protobuf import descriptor_pb2, message_factory, struct_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

SERVICE: Final = "istio.v1.auth.IstioCertificateService"
METHOD: Final = "CreateCertificate"

_PACKAGE: Final = "istio.v1.auth"
_STRUCT: Final = ".google.protobuf.Struct"
_Field = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """What a caller asks for. Units: ``validity_duration`` in seconds, 0 for the default.

    ``impersonated``: the identity of somebody else, for whom a trusted node's proxy asks; empty as a rule.
    """

    csr: bytes
    validity_duration: int = 0
    impersonated: str = ""


class _Request(Protocol):
    csr: str
    validity_duration: int
    metadata: struct_pb2.Struct


def decode_request(message: bytes) -> CertificateRequest:
    """The request in these bytes. Errors: ValueError when they are none."""
    read = _class("IstioCertificateRequest")()
    try:
        read.ParseFromString(message)
    except DecodeError:
        raise ValueError("no IstioCertificateRequest") from None
    request = cast(_Request, read)
    impersonated = request.metadata.fields["ImpersonatedIdentity"].string_value
    return CertificateRequest(request.csr.encode(), request.validity_duration, impersonated)


def encode_request(request: CertificateRequest) -> bytes:
    """The bytes of a request."""
    made = _class("IstioCertificateRequest")(csr=request.csr.decode(), validity_duration=request.validity_duration)
    if request.impersonated:
        cast(_Request, made).metadata.update({"ImpersonatedIdentity": request.impersonated})
    return made.SerializeToString()


def encode_response(cert_chain: list[str]) -> bytes:
    """The bytes of an answer: PEM, the leaf, the intermediates, and last the roots in one element."""
    return _class("IstioCertificateResponse")(cert_chain=cert_chain).SerializeToString()


def decode_response(message: bytes) -> list[str]:
    """``cert_chain`` of the answer in these bytes."""
    read = _class("IstioCertificateResponse")()
    read.ParseFromString(message)
    return list(read.cert_chain)  # type: ignore[attr-defined]


@cache
def _class(name: str) -> type[Message]:
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.{name}"))


@cache
def _pool() -> DescriptorPool:
    file = descriptor_pb2.FileDescriptorProto(
        name="plait/certificate_service.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[struct_pb2.DESCRIPTOR.name],
    )
    request = file.message_type.add(name="IstioCertificateRequest")
    request.field.add(name="csr", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    request.field.add(name="validity_duration", number=3, type=_Field.TYPE_INT64, label=_Field.LABEL_OPTIONAL)
    request.field.add(
        name="metadata", number=4, type=_Field.TYPE_MESSAGE, label=_Field.LABEL_OPTIONAL, type_name=_STRUCT
    )
    response = file.message_type.add(name="IstioCertificateResponse")
    response.field.add(name="cert_chain", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_REPEATED)
    pool = DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return pool
