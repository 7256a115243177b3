"""Cutting files into documents, and files that hold no documents."""

from __future__ import annotations

import time

import pytest

from xds.decoders.shape.documents import split, text_of
from xds.model.problem import Problem


def lines(text: str) -> list[tuple[int, str]]:
    return [(document.line, document.text) for document in split(text, "shop.yaml")]


def test_a_document_begins_at_its_first_field() -> None:
    text = "# about\n\n---\n# more\na: 1\n---\n---   # nothing\n\n--- {b: 2}\n--- \nc: |\n  ---\n  x\n...\n"
    assert lines(text) == [(5, "a: 1\n"), (9, "--- {b: 2}\n"), (11, "c: |\n  ---\n  x\n...\n")]


@pytest.mark.parametrize("text", ["", "\n", "---\n", "# only words\n", "---\n---\n# x", "%YAML 1.1\n---\n", "...\n"])
def test_nothing_in_a_file_is_fine(text: str) -> None:
    assert lines(text) == []


def test_windows_line_ends() -> None:
    assert lines("a: 1\r\n---\r\nb: 2\r\n") == [(1, "a: 1\r\n"), (3, "b: 2\r\n")]


def test_a_long_row_of_hashes_takes_no_time() -> None:
    started = time.monotonic()
    assert lines("#" * 200_000 + "\na: 1") == [(2, "a: 1")]
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"a: 1\n\xff\xfe", "file.binary", 2),
        (b"\x7fELF\0\0", "file.binary", 1),
        (b"x" * 101, "file.too-large", 0),
    ],
)
def test_files_that_are_no_manifests(content: bytes, code: str, line: int) -> None:
    found = text_of(content, "shop.yaml", 100)
    assert isinstance(found, Problem)
    assert (found.code, found.origin.line if found.origin else None) == (code, line)


def test_the_limit_is_named() -> None:
    found = text_of(b"x" * (3 * 1024 * 1024), "shop.yaml", 1024 * 1024)
    assert str(found) == (
        "shop.yaml: File shop.yaml: is 3.0 MiB, more than the 1 MiB that are read; "
        "split it, or raise manifest_size_limit [file.too-large]"
    )


def test_a_byte_order_mark_is_no_content() -> None:
    assert text_of(b"\xef\xbb\xbfa: 1", "shop.yaml") == "a: 1"
