"""Reading and spelling injected faults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.translators.route_policies import forwarding
from xds.model.quantity import NEVER, Percent
from xds.translators.faults import Faults
from xds.translators.faults.envoy import route
from xds.translators.faults.policy import Abort, Delay

ALL = {"value": 100}


@pytest.mark.parametrize(
    ("fault", "findings"),
    [
        ({"delay": {"fixedDelay": "1s", "percentage": ALL}, "abort": {"grpcStatus": "OK", "percentage": ALL}}, []),
        ({}, ["fault: faults.empty?"]),
        ({"delay": {"percent": 5}}, ["fault.delay.fixedDelay: faults.no-delay"]),
        ({"delay": {"exponentialDelay": "1s"}}, ["fault.delay.exponentialDelay: faults.unsupported"]),
        ({"delay": {"fixedDelay": "1s"}}, ["fault.delay.percentage: faults.never?"]),
        ({"delay": {"fixedDelay": "1s", "percent": 5, "percentage": {}}}, ["fault.delay.percentage: faults.never?"]),
        ({"abort": {"percentage": ALL}}, ["fault.abort: faults.no-status"]),
        ({"abort": {"http2Error": "X"}}, ["fault.abort.http2Error: faults.unsupported"]),
        ({"abort": {"grpcStatus": "14", "percentage": ALL}}, ["fault.abort.grpcStatus: faults.grpc-status"]),
        ({"abort": {"httpStatus": 500}}, ["fault.abort.percentage: faults.never?"]),
    ],
)
def test_findings(fault: dict[str, Any], findings: list[str]) -> None:
    assert forwarding(fault=fault).findings == findings


def test_shares_are_fine() -> None:
    faults = forwarding(fault={"delay": {"fixedDelay": "1s", "percentage": {"value": 0.0001}}}).only(Faults)
    assert faults.delay == Delay(timedelta(seconds=1), Percent(1))


def test_no_share_says_nothing() -> None:
    assert not route(Faults(Delay(timedelta(seconds=1), NEVER), Abort(status=500, share=NEVER))).ListFields()
