"""The command line: one file a command. Importing it runs nothing and loads no command."""

from __future__ import annotations


def main() -> None:
    """Run ``plait`` with the process's arguments; never returns, exits with 0 fine, 1 findings, 2 usage or failure."""
    from xds.cli.plait import app

    app()(prog_name="plait")
