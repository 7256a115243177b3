"""The generated pages of docs/, and the tools that make them."""

from __future__ import annotations

import pytest

from tools import fields, problem_codes
from xds.translators.registry import reads


@pytest.fixture(scope="module")
def found() -> tuple[problem_codes.Finding, ...]:
    return problem_codes.findings()


def test_the_page_of_problems_says_what_the_source_says() -> None:
    assert problem_codes.FILE.read_text() == problem_codes.document(), "make docs writes it anew"


def test_the_page_of_fields_says_what_the_structs_and_features_say() -> None:
    assert fields.FILE.read_text() == fields.document(), "make docs writes it anew"


@pytest.mark.parametrize(
    ("code", "levels"),
    [
        ("retries.unknown-condition", {"error"}),
        ("retries.off", {"warning"}),
        ("service.port-sniffed", {"info"}),
        ("object.kind-unknown", {"error", "warning", "info"}),  # told by another function
        ("field.enum", {"error"}),  # written as a pair of code and message
        ("file.binary", {"error"}),
    ],
)
def test_levels_of_codes(code: str, levels: set[str], found: tuple[problem_codes.Finding, ...]) -> None:
    assert {each.level for each in found if each.code == code} == levels


def test_the_message_is_the_one_of_that_code(found: tuple[problem_codes.Finding, ...]) -> None:
    messages = {each.message for each in found if each.code == "destination.port-unknown"}
    assert messages == {"… has no port …, its ports are …"}


def test_what_features_read_are_fields() -> None:
    known = [row.path for kind in fields.KINDS for row in fields.rows(kind)]
    documented = {path.partition(".")[0] for path in known}
    for path in (each for each in reads() if each.partition(".")[0] in documented):
        at = path.replace("[]", "")
        assert any(row.replace("[]", "").startswith(at) or at.startswith(row.replace("[]", "")) for row in known), path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("VirtualService.spec.http[].retries.attempts", fields.WORKS),
        ("VirtualService.spec.http[].match[].uri", fields.WORKS),
        ("VirtualService.spec.tcp[].match[].sourceSubnet", fields.CHECKED),
        ("DestinationRule.spec.trafficPolicy.loadBalancer.backendUtilization", fields.CHECKED),
        ("MeshConfig.defaultConfig.concurrency", fields.NOT_READ),
    ],
)
def test_what_becomes_of_a_field(path: str, status: str) -> None:
    assert [row.status for kind in fields.KINDS for row in fields.rows(kind) if row.path == path] == [status]


def test_a_new_field_must_be_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {holder: names for holder, names in fields._NOT_READ.items() if holder != "Gateway.spec.servers[]"}
    monkeypatch.setattr(fields, "_NOT_READ", known)
    with pytest.raises(fields.Unclassified, match=r"servers\[\]\.port\.targetPort is read by no feature"):
        fields.document()


def test_an_entry_without_its_field_is_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fields, "_CHECKED", {**fields._CHECKED, "VirtualService.spec.gone": ""})
    with pytest.raises(fields.Unclassified, match=r"VirtualService\.spec\.gone"):
        fields.document()
