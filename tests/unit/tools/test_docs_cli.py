"""The reference page of the command line."""

from __future__ import annotations

from tools.docs_cli import FILE, document


def test_the_page_says_what_the_commands_say() -> None:
    assert FILE.read_text() == document(), "python -m tools.docs_cli writes it anew"
