"""Envoy's %COMMANDS% in header values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.translators.headers.formats import fault

# Each was tried on Envoy 1.40.
TAKEN = [
    "",
    "100%%",
    "%REQ(x)%",
    "%REQ(x?y):5%",
    "x %REQ(a)% y %% %PROTOCOL%",
    "%START_TIME(%Y/%m/%dT%H)%",
    "%CEL(size(request.path))%",
    '%UPSTREAM_METADATA(["a","b"])%',
    "%PER_REQUEST_STATE(a)%",
    "%REQ(a%b)%",
    "%REQ(?)%",
]
REFUSED = [
    "%ENVIRONMENT(AWS_SECRET_ACCESS_KEY)%",
    "x-%ENVIRONMENT(HOME):5%",
    "%FILE_CONTENT(/etc/passwd)%",
    '%COALESCE({"operators": [{"command": "ENVIRONMENT", "param": "HOME"}]})%',
    '%COALESCE({"operators": [{"command": "\\u0045NVIRONMENT", "param": "HOME"}]})%',
    "%",
    "100%",
    "%%%",
    "%REQ(x)",
    "%REQ(x)%%",
    "%REQ%",
    "%REQ()%",
    "%req(x)%",
    "%REQ(x):%",
    "%NOPE%",
    "%PROTOCOL(x)%",
    "%PROTOCOL:3%",
    "a%b%c",
    "%REQ(a b)%",
    "%REQ(a)b)%",
    "%PER_REQUEST_STATE(a):3%",
    "%DYNAMIC_METADATA()%",
]


@pytest.mark.parametrize("value", TAKEN)
def test_taken(value: str) -> None:
    assert fault(value) == ""


@pytest.mark.parametrize("value", REFUSED)
def test_refused(value: str) -> None:
    assert fault(value)


@given(st.text(alphabet="%()A:1RQE_?"))
def test_escaping_makes_any_text_plain(value: str) -> None:
    fault(value)
    assert fault(value.replace("%", "%%")) == ""
