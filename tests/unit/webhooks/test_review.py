"""AdmissionReview: what is read, and what is answered."""

from __future__ import annotations

import base64
import contextlib
import json
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.webhooks.reviews import body, review, virtual_service
from xds.webhooks.review import Answer, NoReview, decode, denied, encode, pairs, warnings


def answered(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(decode(body(virtual_service()), {}), answer))
    assert (found["apiVersion"], found["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert found["response"].pop("uid") == "u-1"
    response: dict[str, Any] = found["response"]
    return response


def test_a_review_is_read() -> None:
    found = decode(body(virtual_service(), dryRun=True, subResource="status"), {"net": "a"})
    request = found.request
    assert request.object == virtual_service()
    assert (request.operation, request.sub_resource, request.dry_run, request.old_object) == (
        "CREATE",
        "status",
        True,
        None,
    )
    assert (request.subject, request.user_info.username, found.pairs) == (
        "VirtualService shop/reviews",
        "jane",
        {"net": "a"},
    )


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (b"", "is no AdmissionReview"),
        (b"\xff\xfe", "is no AdmissionReview"),
        (b"[]", "is no AdmissionReview"),
        (b"{}", "must be an AdmissionReview of admission.k8s.io/v1"),
        (b'{"apiVersion": "v1", "kind": "Pod"}', "must be an AdmissionReview"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}', "request is required"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": null}', "request is required"),
        (b'{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {}}', "uid"),
        (body(virtual_service(), operation="EAT"), "operation"),
        (body(None), "request.object is required for CREATE"),
        (b'{"a":' * 100_000, "nested too deep"),
        (body(virtual_service()).replace(b'["db"]', b"[" * 20_000 + b"]" * 20_000), "nested too deep"),
        (body(virtual_service()).replace(b'["db"]', b"9" * 5000), "out of range"),
        (body(virtual_service()).replace(b'["db"]', b'"\\ud800"'), "is no AdmissionReview"),
    ],
)
def test_garbage_is_refused_with_a_text(bytes_: bytes, text: str) -> None:
    with pytest.raises(NoReview, match=text):
        decode(bytes_, {})


def test_of_another_version_the_text_says_what_to_change() -> None:
    old = json.dumps({**review(virtual_service()), "apiVersion": "admission.k8s.io/v1beta1"}).encode()
    with pytest.raises(NoReview, match=r"v1beta1 is not spoken.*admissionReviewVersions must be \[v1\]"):
        decode(old, {})


@given(
    st.binary() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda x: json.dumps(x).encode())
)
def test_any_bytes_are_read_or_refused(given_: bytes) -> None:
    with pytest.raises(NoReview):
        decode(given_, {})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(review(None)["request"])), _JSON))
def test_any_request_is_read_or_refused(fields: dict[str, Any]) -> None:
    whole = review(virtual_service())
    with contextlib.suppress(NoReview):
        decode(json.dumps({**whole, "request": {**whole["request"], **fields}}).encode(), {})


def test_answers() -> None:
    assert answered(Answer()) == {"allowed": True}
    assert answered(denied(HTTPStatus.UNPROCESSABLE_ENTITY, "Invalid", "no", ("w",))) == {
        "allowed": False,
        "warnings": ["w"],
        "status": {"code": 422, "reason": "Invalid", "message": "no"},
    }
    patch = [{"op": "add", "path": "/a", "value": 1}]
    found = answered(Answer(patch=patch))
    assert found["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(found["patch"])) == patch
    long = answered(denied(HTTPStatus.BAD_REQUEST, "BadRequest", "x" * 1_000_000))["status"]["message"]
    assert len(long) < 20_000


@given(st.lists(st.text(max_size=400), max_size=60))
def test_warnings_are_what_the_api_server_passes_on(texts: list[str]) -> None:
    found = warnings(texts)
    assert all(len(each) <= 256 and not set(each) & set("\n\r\t\0") for each in found)
    assert sum(map(len, found)) <= 4096
    assert len(found) == len(set(found))


def test_warnings_that_are_left_out_are_counted() -> None:
    found = warnings([f"{number} {'x' * 250}" for number in range(40)])
    assert found[-1] == f"and {40 - len(found) + 1} more"


def test_pairs_in_a_path() -> None:
    assert pairs("") == {}
    assert pairs("cluster/a/net/b--slash--c/") == {"cluster": "a", "net": "b/c"}
    with pytest.raises(NoReview, match="'net' has no value"):
        pairs("cluster/a/net")
