"""Reading rewrites of paths and hosts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.translators.route_policies import Read, forwarding
from xds.translators.rewrites import HostRewrite, PathRewrite


def by_regex(match: str, rewrite: str) -> dict[str, Any]:
    return {"uriRegexRewrite": {"match": match, "rewrite": rewrite}}


@pytest.mark.parametrize(
    ("rewrite", "findings"),
    [
        ({"uri": "/"}, []),
        ({}, ["rewrite: rewrites.empty?"]),
        ({"uri": "x"}, ["rewrite.uri: rewrites.path?"]),
        ({"uri": "/a\nb"}, ["rewrite.uri: rewrites.path"]),
        ({"authority": "b.example:8080"}, []),
        ({"authority": "http://b"}, ["rewrite.authority: rewrites.authority"]),
        (by_regex("a(b)", r"\0\1\\"), []),
        (by_regex("a(b)", "\\"), ["rewrite.uriRegexRewrite.rewrite: rewrites.substitution"]),
        (by_regex("a(b)", r"\2"), ["rewrite.uriRegexRewrite.rewrite: rewrites.substitution"]),
        (by_regex("a(b)", r"\٢"), ["rewrite.uriRegexRewrite.rewrite: rewrites.substitution"]),
        (by_regex(r"(a)\1", ""), ["rewrite.uriRegexRewrite.match: rewrites.regex"]),
    ],
)
def test_findings(rewrite: dict[str, Any], findings: list[str]) -> None:
    assert forwarding(rewrite=rewrite).findings == findings


def test_host_by_header_or_by_rewrite() -> None:
    header = {"request": {"set": {"HOST": "header.example"}}}
    assert forwarding(headers=header).only(HostRewrite) == HostRewrite("header.example")
    both = forwarding(headers=header, rewrite={"authority": "rewrite.example"})
    assert both.only(HostRewrite) == HostRewrite("rewrite.example")
    assert both.findings == ["rewrite.authority: rewrites.two-hosts?"]
    share = Read({"destination": {"host": "b"}, "headers": header}, of_destination=True)
    assert share.only(HostRewrite).merge(both.only(HostRewrite)) == HostRewrite("header.example")


def test_an_empty_path_is_none() -> None:
    assert forwarding(rewrite={"uri": "", "authority": "a"}).policies.get(PathRewrite) is None
