"""A whole control plane, sidecars that take or refuse what it sends, and who takes its traces by OTLP over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.unit.rollout.sidecars import WEB
from tests.unit.rollout.test_rollouts import mesh, rule

COUNT = 30


class Receiver:
    """Takes traces, and keeps them."""

    def __init__(self) -> None:
        self._spans = list[Span]()

    async def export(self, request: ExportTraceServiceRequest, _: Any) -> ExportTraceServiceResponse:
        """What a collector has as ``TraceService/Export``."""
        for resource in request.resource_spans:
            self._spans += [span for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()

    def of(self, name: str) -> Iterator[tuple[Span, dict[str, Span]]]:
        """The whole traces of changes of an object: the root, and what is below it by name."""
        for root in (each for each in self._spans if each.name == "change"):
            objects = [each.string_value for each in attribute(root, "plait.objects").array_value.values]
            if name in objects:
                yield root, {each.name: each for each in self._spans if each.parent_span_id == root.span_id}


def attribute(span: Any, name: str) -> Any:
    return {each.key: each.value for each in span.attributes}.get(name)


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Receiver, str]]:
    """One that runs, and where."""
    found, server = Receiver(), grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        found.export,
        request_deserializer=ExportTraceServiceRequest.FromString,
        response_serializer=ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": method})])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield found, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_change_for_many_is_one_trace_with_few_spans(tmp_path: Path) -> None:
    async with receiver() as (told, endpoint), mesh(tmp_path, rule(1, "at-once"), count=COUNT, otlp=endpoint) as found:
        found.apply(rule(2, "at-once"))
        await found.until_all(2)
        await found.until(lambda: any(True for _ in told.of("changed DestinationRule shop/web")))
        ((root, below),) = told.of("changed DestinationRule shop/web")
    assert {"wait", "build", "wave", "translate", "publish", "push"} <= below.keys()
    assert root.status.code == Status.STATUS_CODE_UNSET
    assert attribute(root, "plait.proxies").int_value == COUNT
    assert attribute(root, "plait.responses").int_value % COUNT == 0  # clusters, and their endpoints once more
    assert attribute(root, "plait.bytes").int_value > COUNT * 100
    assert [each.name for each in below["push"].events] == ["first ack", *["ack"] * 4, "last ack"]


async def test_what_one_of_many_refuses_makes_it_an_error(tmp_path: Path) -> None:
    async with receiver() as (told, endpoint), mesh(tmp_path, rule(1, "at-once"), count=COUNT, otlp=endpoint) as found:
        await found.until_all(1)
        bad = found.sidecars[7]
        bad.refuses = lambda name, _: name == WEB
        found.apply(rule(2, "at-once"))
        await found.until(lambda: len(found.with_timeout(2)) == COUNT - 1)
        await found.until(lambda: any(True for _ in told.of("changed DestinationRule shop/web")))
        ((root, below),) = told.of("changed DestinationRule shop/web")
    assert root.status.code == below["push"].status.code == Status.STATUS_CODE_ERROR
    assert root.status.message == f"refused by a proxy: {WEB} is bad"
    nacks = [each for each in below["push"].events if each.name == "nack"]
    assert len(nacks) == attribute(root, "plait.nacks").int_value >= 1  # the server tries until it knows what is bad
    assert all(bad.name in attribute(each, "proxy").string_value for each in nacks)
    assert {attribute(each, "resource").string_value for each in nacks} <= {"", WEB}
